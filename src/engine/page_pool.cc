#include "engine/page_pool.h"

#include "base/check.h"

namespace fathom::engine {

PagePool::PagePool(int64_t pages) : references_(static_cast<size_t>(pages), 0) {
  // The lowest page is taken first, so that a small load touches little memory.
  for (int64_t page = pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

std::optional<int32_t> PagePool::take() {
  if (free_.empty()) return std::nullopt;
  const int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::share(int32_t page) {
  FATHOM_CHECK(references_[static_cast<size_t>(page)] > 0);
  ++references_[static_cast<size_t>(page)];
}

void PagePool::release(int32_t page) {
  int32_t& count = references_[static_cast<size_t>(page)];
  FATHOM_CHECK_MSG(count > 0, "page {} released once too often", page);
  if (--count == 0) free_.push_back(page);
}

}  // namespace fathom::engine
