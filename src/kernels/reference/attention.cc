// Plain attention over one part of the latent cache, in double.

#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"
#include "tensor/dtype.h"

namespace fathom::kernels::reference {
namespace {

struct F32Cache {
  static float value(const void* page, int64_t index) { return static_cast<const float*>(page)[index]; }
  static float rounded(float x) { return x; }
};

struct Bf16Cache {
  static float value(const void* page, int64_t index) { return bf16_to_f32(static_cast<const bf16_t*>(page)[index]); }
  static float rounded(float x) { return bf16_to_f32(f32_to_bf16(x)); }
};

template <typename Cache>
void one_row(const LatentAttentionArgs& a, int row, int64_t key_end) {
  const int64_t width = a.latent + a.rope;
  const float* q = a.q + row * a.q_stride;
  double scores[kAttentionPart];
  double max = -std::numeric_limits<double>::infinity();
  for (int64_t s = a.key_begin; s < key_end; ++s) {
    const void* page = a.pages[s / kPageTokens];
    double score = 0;
    for (int64_t i = 0; i < width; ++i) {
      score += static_cast<double>(Cache::rounded(q[i])) * Cache::value(page, s % kPageTokens * width + i);
    }
    scores[s - a.key_begin] = score;
    max = std::max(max, score);
  }
  float* out = a.out + row * a.latent;
  std::fill(out, out + a.latent, 0.0F);
  double sum = 0;
  for (int64_t s = a.key_begin; s < key_end; ++s) {
    scores[s - a.key_begin] = std::exp(scores[s - a.key_begin] - max);
    sum += scores[s - a.key_begin];
  }
  for (int64_t r = 0; r < a.latent; ++r) {
    double value = 0;
    for (int64_t s = a.key_begin; s < key_end; ++s) {
      const float weight = Cache::rounded(static_cast<float>(scores[s - a.key_begin]));
      value += static_cast<double>(weight) * Cache::value(a.pages[s / kPageTokens], s % kPageTokens * width + r);
    }
    out[r] = static_cast<float>(value);
  }
  a.max[row] = static_cast<float>(max);
  a.sum[row] = static_cast<float>(sum);
}

template <typename Cache>
void latent_attention(const LatentAttentionArgs& a) noexcept {
  for (int row = 0; row < a.rows; ++row) {
    one_row<Cache>(a, row, std::max(a.key_begin, std::min(a.key_end, a.limits[row])));
  }
}

}  // namespace

AttentionKernels attention_kernels(Compute compute) {
  return {compute == Compute::kF32 ? latent_attention<F32Cache> : latent_attention<Bf16Cache>};
}

}  // namespace fathom::kernels::reference
