#pragma once
// The flat list of tokens that every forward pass takes. Packed documents, a chunk of a prompt, one token for each of
// many users and drafts to verify are all such lists; there is no [batch, sequence] padding anywhere.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fathom::ops {

// Tokens [begin, end) of the batch are consecutive tokens of one sequence, the first at position `past`: as many
// positions are in the cache already.
struct Span {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t past = 0;
  // Pages of the sequence in the latent cache: position p lies in pages[p / 64]. Enough for past + (end - begin).
  std::vector<int32_t> pages;

  int64_t length() const { return end - begin; }
  int64_t total() const { return past + length(); }
};

struct TokenBatch {
  std::vector<int32_t> tokens;
  std::vector<Span> spans;  // in order, without gaps

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  // The span that holds `token`.
  const Span& span_of(int64_t token) const {
    return *std::partition_point(spans.begin(), spans.end(), [&](const Span& s) { return s.end <= token; });
  }
};

}  // namespace fathom::ops
