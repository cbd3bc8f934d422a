#pragma once

#include <memory>
#include <span>

#include "ops/context.h"

namespace fathom::ops {

// y_TN = x_TK w_NK^T in the context's arithmetic; the weight stays in its stored format.
Tensor linear(const Context& ctx, const Tensor& x_TK, const Weight& w_NK);

// The same in F32 arithmetic whatever the context says: the gate, whose choices flip at a rounding.
// The same from a latent of low rank: with a tape and ctx.recomputes it is computed again in the backward pass.
Tensor up_projection(const Context& ctx, const Tensor& latent_TQ, const Weight& w_NQ);

Tensor linear_f32(const Context& ctx, const Tensor& x_TK, const Weight& w_NK);

// Rows of an embedding matrix widened to F32. Tokens must be in [0, w.rows).
Tensor embedding(const Context& ctx, std::span<const int32_t> tokens_T, const Weight& w_VD);

// Rows of x chosen by `rows`, copied.
Tensor gather_rows(const Context& ctx, const Tensor& x_TD, std::span<const int32_t> rows);

// [a | b], row by row.
Tensor concat(const Context& ctx, const Tensor& a_TN, const Tensor& b_TM);

// A packed copy of rows of x, as the matmul kernels of the context read it.
std::shared_ptr<std::byte> pack_rows(const Context& ctx, const Tensor& x_TK);

}  // namespace fathom::ops
