#pragma once
// The gradient of latent attention, in its expanded form whatever form the forward pass had.

#include "ops/mla_attention.h"

namespace fathom::ops {

// What the forward pass leaves for it.
struct MlaSaved {
  MlaParams params;
  Saved q_TD;  // its rotary part rotated in place, or given up and not rotated when it is made again
  Saved latent_TR;
  Saved kv_a_TC;
  Tensor index_topk;  // undefined: every position up to the token's own
  Tensor o_TD;        // the output
  TokenBatch batch;   // every sequence from its first position on
};

// Adds the gradients of q_TD, latent_TR, kv_a_TC's rotary part and kv_b_proj to the tape. Keys and values are made
// again from the latents (V3 report, section 3.2.3), the softmax again for 64 queries at a time.
void mla_attention_backward(const Context& ctx, Tape& tape, const MlaSaved& saved, const Tensor& do_TD);

}  // namespace fathom::ops
