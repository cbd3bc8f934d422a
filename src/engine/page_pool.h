#pragma once
// Which pages of the latent cache are in use, and by how many sequences. Sequences that share a prefix share its pages.

#include <cstdint>
#include <optional>
#include <vector>

namespace fathom::engine {

class PagePool {
 public:
  explicit PagePool(int64_t pages);

  int64_t size() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

  // A page with one reference; nothing when all are in use.
  [[nodiscard]] std::optional<int32_t> take();
  void share(int32_t page);
  // Drops a reference; the page is free when none is left.
  void release(int32_t page);

 private:
  std::vector<int32_t> references_;
  std::vector<int32_t> free_;
};

}  // namespace fathom::engine
