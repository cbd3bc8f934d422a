#pragma once

#include "ops/context.h"
#include "ops/moe_route.h"
#include "ops/token_batch.h"

namespace fathom::ops {

// The sequence-wise balance loss of one layer (V3 report, equations 17 to 20): alpha sum over experts of f P, where f
// is the share of the sequence's tokens that chose the expert, times experts / experts_per_token, and P the mean of its
// normalised scores; the mean over the batch's sequences. Without ctx.balance it does nothing; with it, the loss is
// added there and its gradient to the tape.
void sequence_balance_loss(const Context& ctx, const Tensor& logits_TE, const Routing& routing,
                           const RouteParams& params, const TokenBatch& batch);

}  // namespace fathom::ops
