#pragma once

#include "ops/context.h"

namespace fathom::ops {

// y = x / rms(x) * weight, row by row (Zhang and Sennrich 2019). Only the first weight_D.count() columns of x are read:
// the latent part of kv_a_proj_with_mqa's output has the rotary key behind it.
Tensor rms_norm(const Context& ctx, const Tensor& x_TD, const Tensor& weight_D, double eps);

// LayerNorm with bias, row by row.
Tensor layer_norm(const Context& ctx, const Tensor& x_TD, const Tensor& weight_D, const Tensor& bias_D, double eps);

// x + y.
Tensor add(const Context& ctx, const Tensor& x_TD, const Tensor& y_TD);

}  // namespace fathom::ops
