#pragma once
// One sequence of tokens and the pages that hold what the model remembers of it.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/page_pool.h"
#include "ops/token_batch.h"

namespace fathom::engine {

class Sequence {
 public:
  explicit Sequence(PagePool& pool) : pool_(pool) {}
  ~Sequence() { truncate(0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  // Tokens whose latents are in the cache.
  int64_t cached() const { return cached_; }

  // A span for `count` tokens after the cached ones, at row `begin` of a batch; takes the pages that they need.
  // Throws Error(kResource) when the pool is empty.
  ops::Span extend(int64_t begin, int64_t count);
  // A span over `count` positions from `past` on whose pages are there already: for the MTP modules, which follow the
  // main model.
  ops::Span view(int64_t past, int64_t count) const {
    return {.begin = 0, .end = count, .past = past, .pages = pages_};
  }
  // The span's tokens count as cached from now on. Fewer may be confirmed than were extended (rejected drafts).
  void confirm(int64_t count) { cached_ += count; }
  // Forgets everything after the first `length` tokens and releases pages that are then empty.
  void truncate(int64_t length);

 private:
  PagePool& pool_;
  int64_t cached_ = 0;
  std::vector<int32_t> pages_;
};

}  // namespace fathom::engine
