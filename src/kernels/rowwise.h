#pragma once
// Small operations on rows of F32 values. Sums run over 16 interleaved lanes that are added in a fixed tree, on every
// instruction set, so that a row's bits are the same everywhere.

#include <cstdint>

#include "tensor/dtype.h"

namespace fathom::kernels {

struct RowwiseKernels {
  // y = x / sqrt(mean(x^2) + eps) * weight, n values.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* y) noexcept;
  // y = (x - mean) / sqrt(var + eps) * weight + bias, n values.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) noexcept;
  // y += x * factor.
  void (*add_scaled)(const float* x, float factor, int64_t n, float* y) noexcept;
  // y = silu(gate) * up, silu(v) = v / (1 + exp(-v)).
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* y) noexcept;
  // Rotates pairs (2i, 2i+1) of n values by (cos[i], sin[i]): published DeepSeek layout.
  void (*rope_interleaved)(float* x, const float* cos, const float* sin, int64_t n) noexcept;
  // Rotates pairs (i, i + n/2).
  void (*rope_halves)(float* x, const float* cos, const float* sin, int64_t n) noexcept;
  // Widens n stored values times `scale`.
  void (*widen)(const void* x, DType dtype, float scale, int64_t n, float* y) noexcept;
  // Rounds n values to BF16, ties to even.
  void (*to_bf16)(const float* x, int64_t n, bf16_t* y) noexcept;
  // sum over i of a[i] b[i].
  float (*dot)(const float* a, const float* b, int64_t n) noexcept;
  // Largest of n values, -inf of none. Not for NaN.
  float (*largest)(const float* x, int64_t n) noexcept;
  // x = exp(x - less); returns the sum of the results.
  float (*exp_sum)(float* x, float less, int64_t n) noexcept;
  // Backward of factor silu(gate) up for the gradient dh: h = factor silu(gate) up, and dgate and dup; h may be dh.
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dh, float factor, int64_t n, float* h,
                            float* dgate, float* dup) noexcept;
  // Backward of a softmax of scale x: dp = p (dp - mean) scale, mean the sum of p dp.
  void (*softmax_backward)(const float* p, float mean, float scale, int64_t n, float* dp) noexcept;
  // Backward of rms_norm for the gradient dy, `scale` its 1 / sqrt(mean(x^2) + eps):
  // dx += scale weight dy - x scale^3 / n sum(x weight dy).
  void (*rms_norm_backward)(const float* x, const float* weight, const float* dy, float scale, int64_t n,
                            float* dx) noexcept;
  // y += a b factor.
  void (*add_product)(const float* a, const float* b, float factor, int64_t n, float* y) noexcept;
};

}  // namespace fathom::kernels
