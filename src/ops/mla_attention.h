#pragma once

#include "ops/context.h"
#include "ops/latent_cache.h"
#include "ops/rope.h"
#include "ops/token_batch.h"

namespace fathom::ops {

struct MlaParams {
  int64_t heads = 0;             // num_attention_heads
  int64_t kv_lora_rank = 0;      // R
  int64_t qk_nope_head_dim = 0;  // N
  int64_t qk_rope_head_dim = 0;  // P
  int64_t v_head_dim = 0;        // V
  double softmax_scale = 1;
  const Weight& kv_b_proj;  // [heads (N + V), R]: per head W_UK over W_UV
  const Rope& rope;
};

// Multi-head latent attention (V2 report, section 2.1; V3 report, section 2.1.1). Rotates the rotary parts of queries
// and keys, appends (latent, rotated key) of every token to the cache of `layer`, and lets each token attend to the
// positions of its sequence up to its own.
//
//   q_TD        [T, heads (N + P)]: per head the part without, then with position
//   latent_TR   [T, R] after kv_a_layernorm
//   kv_a_TC     [T, R + P] output of kv_a_proj_with_mqa: its last P columns are the keys' rotary part
//   index_topk  [T, K] positions that a token may attend to, ascending, -1 as filler (DSA); undefined: all
//
// Returns [T, heads V]. Both forms (ctx.mla_form) give the same numbers within rounding. A token's bits depend on its
// own sequence only: keys are reduced in parts of 512 positions that are merged in order. With a tape sequences are
// whole, and what is computed is ops/mla_expanded.h.
Tensor mla_attention(const Context& ctx, const MlaParams& params, const Tensor& q_TD, const Tensor& latent_TR,
                     const Tensor& kv_a_TC, const Tensor& index_topk, const TokenBatch& batch, LatentCache& cache,
                     int64_t layer);

}  // namespace fathom::ops
