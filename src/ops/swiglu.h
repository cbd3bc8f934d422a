#pragma once

#include <span>

#include "ops/context.h"
#include "ops/moe_route.h"

namespace fathom::ops {

// The three matrices of a feed-forward network: down(silu(gate x) * up x).
struct SwigluWeights {
  const Weight& gate_proj;
  const Weight& up_proj;
  const Weight& down_proj;
};

// A dense feed-forward network.
Tensor swiglu(const Context& ctx, const Tensor& x_TD, const SwigluWeights& weights);

// DeepSeekMoE (V3 report, equation 12): sum over the chosen experts of weight * expert(x), in the order of ids_TK, plus
// the shared experts' network. Tokens are grouped by expert, so that every weight is read once for the whole batch, and
// only the chosen experts' weights are read at all. `shared` may be null.
Tensor swiglu_experts(const Context& ctx, const Tensor& x_TD, const Routing& routing,
                      std::span<const SwigluWeights> experts, const SwigluWeights* shared);

}  // namespace fathom::ops
