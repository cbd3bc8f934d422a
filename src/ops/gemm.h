#pragma once
// Products of activations among themselves, as gradients need them. The kernels multiply packed rows with the rows of a
// stored matrix; what lies the other way round is turned first.

#include "ops/context.h"

namespace fathom::ops {

// Rows of F32 values, `stride` apart.
struct Rows {
  const float* values = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  const int32_t* chosen = nullptr;  // [rows] which ones; null: in order

  const float* row(int64_t i) const { return values + (chosen == nullptr ? i : chosen[i]) * stride; }
};
Rows rows_of(const Tensor& x);

// Who computes: the whole team, or the calling member alone where the team is at work on other items already.
enum class Workers { kTeam, kCaller };

// x^T as rows of F32, [cols, rows].
Tensor transposed(const Context& ctx, const Rows& x, Workers workers);
// x^T as a matrix that linear products read, in the context's arithmetic.
Weight transposed_weight(const Context& ctx, const Rows& x, Workers workers);
// w^T of a stored matrix.
Weight transposed_weight(const Context& ctx, const Weight& w, Workers workers);

// y[m, n] (+)= a[m, k] b[n, k]^T.
void gemm(const Context& ctx, const Rows& a, const Weight& b, float* y, int64_t y_stride, bool accumulate,
          Workers workers);

// The gradients of y_TN = x_TK w_NK^T: Dgrad, dx (+)= dy w, and Wgrad, dw += dy^T x.
void gemm_dgrad(const Context& ctx, const Rows& dy, const Weight& w, float* dx, int64_t dx_stride, bool accumulate,
                Workers workers);
void gemm_wgrad(const Context& ctx, const Rows& dy, const Rows& x, float* dw, Workers workers);

}  // namespace fathom::ops
