// Shapes: T tokens, D hidden_size, H heads, R kv_lora_rank, P qk_rope_head_dim, Q q_lora_rank, I indexer heads x dim.

#include "model/attention.h"

#include <cmath>

#include "ops/index_top_k.h"
#include "ops/linear.h"
#include "ops/mla_attention.h"
#include "ops/norm.h"

namespace fathom::model {
namespace {

// The published indexer normalises its keys with this epsilon whatever rms_norm_eps is.
constexpr double kIndexerNormEps = 1e-6;

}  // namespace

ops::Rope make_rope(const ModelConfig& config) {
  if (!config.rope_scaling) return {config.qk_rope_head_dim, config.rope_theta, std::nullopt};
  const RopeScaling& s = *config.rope_scaling;
  return {config.qk_rope_head_dim, config.rope_theta,
          ops::YarnParams{s.factor, s.beta_fast, s.beta_slow, s.mscale, s.mscale_all_dim,
                          s.original_max_position_embeddings}};
}

Indexer::Indexer(const ModelConfig& config)
    : hidden_size(config.hidden_size),
      q_lora_rank(config.q_lora_rank.value_or(config.hidden_size)),
      index_n_heads(config.index_n_heads),
      index_head_dim(config.index_head_dim),
      index_topk(config.index_topk) {}

void Indexer::visit(const std::string& prefix, ParameterVisitor& visitor) {
  visitor.matrix(prefix + "wq_b.weight", wq_b, index_n_heads * index_head_dim, q_lora_rank);
  visitor.matrix(prefix + "wk.weight", wk, index_head_dim, hidden_size);
  visitor.vector(prefix + "k_norm.weight", k_norm_weight, index_head_dim);
  visitor.vector(prefix + "k_norm.bias", k_norm_bias, index_head_dim);
  visitor.matrix(prefix + "weights_proj.weight", weights_proj, index_n_heads, hidden_size);
}

Tensor Indexer::forward(const ops::Context& ctx, const Tensor& x_TD, const Tensor& q_latent_TQ, const ops::Rope& rope,
                        const ops::TokenBatch& batch, ops::LatentCache& cache, int64_t layer) const {
  const Tensor q_TI = linear(ctx, q_latent_TQ, wq_b);
  const Tensor k_TI = layer_norm(ctx, linear(ctx, x_TD, wk), k_norm_weight, k_norm_bias, kIndexerNormEps);
  const Tensor weights_TH = linear_f32(ctx, x_TD, weights_proj);
  const Tensor chosen_TK =
      index_top_k(ctx, {.heads = index_n_heads, .dim = index_head_dim, .top_k = index_topk, .rope = rope}, q_TI, k_TI,
                  weights_TH, batch, cache, layer);
  observe(ctx, "index_topk", layer, chosen_TK);
  return chosen_TK;
}

Attention::Attention(const ModelConfig& config, const ops::Rope& shared_rope)
    : hidden_size(config.hidden_size),
      num_attention_heads(config.num_attention_heads),
      kv_lora_rank(config.kv_lora_rank),
      qk_nope_head_dim(config.qk_nope_head_dim),
      qk_rope_head_dim(config.qk_rope_head_dim),
      v_head_dim(config.v_head_dim),
      q_lora_rank(config.q_lora_rank),
      rms_norm_eps(config.rms_norm_eps),
      rope(shared_rope) {
  softmax_scale = rope.softmax_factor() / std::sqrt(static_cast<double>(config.qk_head_dim()));
  if (config.has_indexer()) indexer.emplace(config);
}

void Attention::visit(const std::string& prefix, ParameterVisitor& visitor) {
  const int64_t q_dim = num_attention_heads * (qk_nope_head_dim + qk_rope_head_dim);
  if (q_lora_rank) {
    visitor.matrix(prefix + "q_a_proj.weight", q_a_proj, *q_lora_rank, hidden_size);
    visitor.vector(prefix + "q_a_layernorm.weight", q_a_layernorm, *q_lora_rank);
    visitor.matrix(prefix + "q_b_proj.weight", q_b_proj, q_dim, *q_lora_rank);
  } else {
    visitor.matrix(prefix + "q_proj.weight", q_proj, q_dim, hidden_size);
  }
  visitor.matrix(prefix + "kv_a_proj_with_mqa.weight", kv_a_proj_with_mqa, kv_lora_rank + qk_rope_head_dim,
                 hidden_size);
  visitor.vector(prefix + "kv_a_layernorm.weight", kv_a_layernorm, kv_lora_rank);
  visitor.matrix(prefix + "kv_b_proj.weight", kv_b_proj, num_attention_heads * (qk_nope_head_dim + v_head_dim),
                 kv_lora_rank);
  visitor.matrix(prefix + "o_proj.weight", o_proj, hidden_size, num_attention_heads * v_head_dim);
  if (indexer) indexer->visit(prefix + "indexer.", visitor);
}

Tensor Attention::forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch,
                          ops::LatentCache& cache, int64_t layer) const {
  Tensor q_TD, chosen_TK;
  if (q_lora_rank) {
    const Tensor q_latent_TQ = rms_norm(ctx, linear(ctx, x_TD, q_a_proj), q_a_layernorm, rms_norm_eps);
    q_TD = up_projection(ctx, q_latent_TQ, q_b_proj);
    if (indexer) chosen_TK = indexer->forward(ctx, x_TD, q_latent_TQ, rope, batch, cache, layer);
  } else {
    q_TD = linear(ctx, x_TD, q_proj);
  }
  // [c_kv | k_rope]: the latent is normalised, the shared rotary key is not.
  const Tensor kv_a_TC = linear(ctx, x_TD, kv_a_proj_with_mqa);
  const Tensor latent_TR = rms_norm(ctx, kv_a_TC, kv_a_layernorm, rms_norm_eps);
  const Tensor o_TD = mla_attention(ctx,
                                    {.heads = num_attention_heads,
                                     .kv_lora_rank = kv_lora_rank,
                                     .qk_nope_head_dim = qk_nope_head_dim,
                                     .qk_rope_head_dim = qk_rope_head_dim,
                                     .v_head_dim = v_head_dim,
                                     .softmax_scale = softmax_scale,
                                     .kv_b_proj = kv_b_proj,
                                     .rope = rope},
                                    q_TD, latent_TR, kv_a_TC, chosen_TK, batch, cache, layer);
  return linear(ctx, o_TD, o_proj);
}

}  // namespace fathom::model
