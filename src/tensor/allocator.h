#pragma once
// Memory for tensors. Freed blocks are kept by size class and handed out again, because a forward pass asks for the
// same few sizes at every layer and step; the system would zero fresh pages each time.

#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace fathom {

class CachingAllocator {
 public:
  CachingAllocator() = default;
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  // A block of at least `bytes`, aligned to 64, uninitialised. It returns here when the last owner lets go, so the
  // allocator must outlive its blocks. Any thread may call. Throws Error(kResource) when the system has none left.
  std::shared_ptr<std::byte> allocate(size_t bytes);

  // Bytes in blocks that are in use now, and the most there ever were.
  size_t in_use_bytes() const;
  size_t peak_bytes() const;

  // Gives the unused blocks back to the system.
  void trim();

 private:
  // A kept block of that size class, or null.
  std::byte* take_unused(size_t size);
  void release(std::byte* block, size_t size);

  mutable std::mutex mutex_;
  std::unordered_map<size_t, std::vector<std::byte*>> free_;
  size_t in_use_ = 0;
  size_t peak_ = 0;
};

}  // namespace fathom
