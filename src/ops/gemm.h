#pragma once
// Products of activations among themselves and with weights, as gradients need them (kernels/product.h).

#include <span>

#include "ops/context.h"
#include "ops/tape.h"

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

enum class Turned { kNo, kYes };

// The packed right side of a product, [k, n].
struct RightFactor {
  std::shared_ptr<std::byte> packed;
  int64_t k = 0;
  int64_t n = 0;
};
RightFactor right_factor(const Context& ctx, const Rows& x, Turned turned, Workers workers);
// Of a stored matrix, widened if it is not F32.
RightFactor right_factor(const Context& ctx, const Weight& w, Turned turned, Workers workers);

// y[m, n] (+)= a b. Where a is less deep than b, or n less than its columns, the rest of b takes no part.
void gemm(const Context& ctx, const Rows& a, Turned turned, const RightFactor& b, int64_t n, float* y, int64_t y_stride,
          bool accumulate, Workers workers);

// Fprop, y = x w^T, while training: many rows, and weights that change at every step, so that both factors are packed.
void gemm_fprop(const Context& ctx, const Rows& x, const Weight& w, float* y, Workers workers);
// Whether training computes products with `w` so. Stored formats keep the kernels of inference and their block scales.
bool has_gemm_fprop(const Weight& w);

// The gradients of y_TN = x_TK w_NK^T: Dgrad, dx (+)= dy w, and Wgrad, dw += dy^T x; the latter for all of
// `gradients` that have x in common.
void gemm_dgrad(const Context& ctx, const Rows& dy, const Weight& w, float* dx, int64_t dx_stride, bool accumulate,
                Workers workers);
struct WeightGradient {
  Rows dy;
  float* dw;
  bool is_fp8 = false;  // both factors are read in FP8
};
// The gradient of a watched weight.
WeightGradient weight_gradient(const Context& ctx, Tape& tape, const Weight& w, const Rows& dy);
// Whether products with `w` run in FP8.
bool runs_in_fp8(const Context& ctx, const Weight& w);
void gemm_wgrad(const Context& ctx, const Rows& x, std::span<const WeightGradient> gradients, Workers workers);

}  // namespace fathom::ops
