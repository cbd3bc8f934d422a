#include "tensor/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/error.h"

namespace fathom {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLargest = size_t{1} << 60;  // beyond lies no memory, but sizes that wrap when rounded up

// Sizes are rounded up to an eighth of their power of two: at most 12.5 % is wasted and odd lengths of prompts share
// blocks.
size_t size_class(size_t bytes) {
  bytes = std::max(bytes, kAlignment);
  const size_t step = std::max(kAlignment, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

}  // namespace

CachingAllocator::~CachingAllocator() { trim(); }

std::shared_ptr<std::byte> CachingAllocator::allocate(size_t bytes) {
  const auto refuse = [&] {
    throw Error(ErrorCode::kResource, fmt::format("cannot allocate {} bytes", bytes), "memory",
                "shorten the prompt or the batch");
  };
  if (bytes > kLargest) refuse();
  const size_t size = size_class(bytes);
  std::byte* block = take_unused(size);
  if (block == nullptr) block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, size));
  if (block == nullptr) {
    trim();  // what lies unused in other sizes may make room
    block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, size));
  }
  if (block == nullptr) refuse();
  {
    const std::lock_guard lock(mutex_);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
  }
  return {block, [this, size](std::byte* done) { release(done, size); }};
}

std::byte* CachingAllocator::take_unused(size_t size) {
  const std::lock_guard lock(mutex_);
  const auto blocks = free_.find(size);
  if (blocks == free_.end() || blocks->second.empty()) return nullptr;
  std::byte* block = blocks->second.back();
  blocks->second.pop_back();
  return block;
}

void CachingAllocator::release(std::byte* block, size_t size) {
  const std::lock_guard lock(mutex_);
  in_use_ -= size;
  free_[size].push_back(block);
}

size_t CachingAllocator::in_use_bytes() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

size_t CachingAllocator::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

void CachingAllocator::trim() {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    for (std::byte* block : blocks) std::free(block);
  }
  free_.clear();
}

}  // namespace fathom
