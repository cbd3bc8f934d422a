#pragma once

#include <span>

#include "ops/context.h"

namespace fathom::ops {

// What a token whose target is kNoTarget adds: nothing.
constexpr int32_t kNoTarget = -1;

struct CrossEntropyParams {
  double factor = 1;    // what a token's loss is multiplied by in the gradient: 1 / tokens of the whole step
  double z_weight = 0;  // of the z-loss, log(sum of exp)^2 (PaLM, section 5)
};

struct CrossEntropyLoss {
  double nll = 0;      // sum over the counted tokens of -log p(target)
  double z = 0;        // sum of log(sum of exp)^2, without its weight
  int64_t tokens = 0;  // counted
  int64_t hits = 0;    // of these, tokens whose target is the most likely one
};

// Cross-entropy of targets under softmax(x head^T). The logits exist for a chunk of tokens at a time and never as a
// whole. This is the end of a tape: the gradients of x and head are added to it at once.
CrossEntropyLoss cross_entropy(const Context& ctx, const Tensor& x_TD, const Weight& head_VD,
                               std::span<const int32_t> targets_T, const CrossEntropyParams& params);

}  // namespace fathom::ops
