#pragma once
// Multi-head latent attention (V2 report, section 2.1) with the low-rank query of V2 and V3 or the plain one of
// V2-Lite, and V3.2's lightning indexer where the checkpoint has one.

#include <string>

#include "model/config.h"
#include "model/parameters.h"
#include "ops/context.h"
#include "ops/latent_cache.h"
#include "ops/rope.h"
#include "ops/token_batch.h"

namespace fathom::model {

// Chooses the positions that a token attends to (V3.2 report, section 2.1).
class Indexer {
 public:
  explicit Indexer(const ModelConfig& config);
  void visit(const std::string& prefix, ParameterVisitor& visitor);

  // x_TD: the attention's input; q_latent_TQ: the query's latent after q_a_layernorm. Returns positions [T, K].
  Tensor forward(const ops::Context& ctx, const Tensor& x_TD, const Tensor& q_latent_TQ, const ops::Rope& rope,
                 const ops::TokenBatch& batch, ops::LatentCache& cache, int64_t layer) const;

 private:
  int64_t hidden_size, q_lora_rank, index_n_heads, index_head_dim, index_topk;
  Weight wq_b, wk, weights_proj;
  Tensor k_norm_weight, k_norm_bias;
};

// The rotary positions that a config asks for.
ops::Rope make_rope(const ModelConfig& config);

class Attention {
 public:
  // Copies of `rope` share its table: one for all layers.
  Attention(const ModelConfig& config, const ops::Rope& rope);
  void visit(const std::string& prefix, ParameterVisitor& visitor);

  // x_TD -> [T, D]; appends the tokens' latents to the cache of `layer`.
  Tensor forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch, ops::LatentCache& cache,
                 int64_t layer) const;

 private:
  int64_t hidden_size, num_attention_heads, kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
  std::optional<int64_t> q_lora_rank;
  double rms_norm_eps, softmax_scale;
  ops::Rope rope;
  Weight q_proj, q_a_proj, q_b_proj, kv_a_proj_with_mqa, kv_b_proj, o_proj;
  Tensor q_a_layernorm, kv_a_layernorm;
  std::optional<Indexer> indexer;
};

}  // namespace fathom::model
