#pragma once

#include "ops/context.h"
#include "ops/latent_cache.h"
#include "ops/rope.h"
#include "ops/token_batch.h"

namespace fathom::ops {

struct IndexParams {
  int64_t heads = 0;  // index_n_heads
  int64_t dim = 0;    // index_head_dim
  int64_t top_k = 0;  // index_topk
  const Rope& rope;   // its dim() leading values of queries and keys are rotated, in halves
};

// The lightning indexer of DeepSeek sparse attention (V3.2 report, equations 1 and 2):
//   score[t, s] = sum over heads of weights[t, h] heads^-1/2 dim^-1/2 relu(q[t, h] . k[s])
// Rotates q and k, appends k to the index keys of `layer`, and chooses for each token the top_k positions up to its
// own. Choosing is always in F32 arithmetic. Where no more than top_k positions are there, all are chosen.
//
//   q_TI  [T, heads dim], k_TI [T, dim], weights_TH [T, heads]
//
// Returns I32 [T, min(top_k, longest)] with `longest` the most positions any token of the batch could see: positions
// ascending, -1 as filler. Ties go to the lower position.
Tensor index_top_k(const Context& ctx, const IndexParams& params, const Tensor& q_TI, const Tensor& k_TI,
                   const Tensor& weights_TH, const TokenBatch& batch, LatentCache& cache, int64_t layer);

}  // namespace fathom::ops
