#pragma once
// Attention over the latent cache in absorbed form (V2 report, section 2.1.2 and appendix C): a cached position is one
// vector of R latent and P rotary values that serves as key for all heads, its latent part also as value.

#include <cstdint>

namespace fathom::kernels {

// Tokens in a page of the cache.
constexpr int64_t kPageTokens = 64;
// Keys that are reduced on their own before they are merged into the rest: fixed by position, so that the order of
// summation does not depend on who computes which part.
constexpr int64_t kAttentionPart = 512;
// Query rows that one call may take.
constexpr int kMaxQueryRows = 64;

struct LatentAttentionArgs {
  const float* q = nullptr;  // [rows, latent + rope], row stride q_stride; the softmax scale is already in it
  int64_t q_stride = 0;
  int rows = 0;  // at most kMaxQueryRows
  int64_t latent = 0;
  int64_t rope = 0;
  const void* const* pages = nullptr;  // pages[i]: [kPageTokens, latent + rope] holding positions 64 i .. 64 i + 63
  int64_t key_begin = 0;               // positions of this part, a multiple of kPageTokens
  int64_t key_end = 0;                 // at most key_begin + kAttentionPart
  const int64_t* limits = nullptr;     // [rows] a row sees positions below its limit
  // The part's softmax, not yet divided: max of scores, sum of exp(score - max), sum of exp(score - max) latent.
  // A row that sees nothing gets max = -inf, sum = 0, out = 0.
  float* max = nullptr;  // [rows]
  float* sum = nullptr;  // [rows]
  float* out = nullptr;  // [rows, latent]
};

struct AttentionKernels {
  // One part: the pages it names hold F32, or BF16 in the BF16 table (which rounds q and the weights of the values,
  // too). A row's bits do not depend on the other rows of the call, nor on key_end beyond the row's limit.
  void (*latent_attention)(const LatentAttentionArgs&) noexcept;
};

}  // namespace fathom::kernels
