#include "engine/sequence.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "kernels/attention.h"
#include "tensor/blocks.h"

namespace fathom::engine {

using kernels::kPageTokens;

ops::Span Sequence::extend(int64_t begin, int64_t count) {
  const int64_t wanted = ceil_div(cached_ + count, kPageTokens);
  while (static_cast<int64_t>(pages_.size()) < wanted) {
    const auto page = pool_.take();
    if (!page) {
      throw Error(ErrorCode::kResource, fmt::format("all {} pages of {} tokens are in use", pool_.size(), kPageTokens),
                  "cache", "give it more with --context");
    }
    pages_.push_back(*page);
  }
  return {.begin = begin, .end = begin + count, .past = cached_, .pages = pages_};
}

void Sequence::truncate(int64_t length) {
  FATHOM_CHECK(length <= cached_);
  cached_ = length;
  const auto kept = static_cast<size_t>(ceil_div(length, kPageTokens));
  while (pages_.size() > kept) {
    pool_.release(pages_.back());
    pages_.pop_back();
  }
}

}  // namespace fathom::engine
