// Shapes: T tokens, D hidden_size, V vocab_size.

#include "model/transformer.h"

#include "ops/linear.h"
#include "ops/norm.h"

namespace fathom::model {
namespace {

std::variant<Mlp, Moe> make_feed_forward(const ModelConfig& config, int64_t layer) {
  if (config.is_moe_layer(layer)) return Moe(config);
  return Mlp(config.hidden_size, config.intermediate_size);
}

}  // namespace

Block::Block(const ModelConfig& config, const ops::Rope& rope, int64_t index)
    : layer(index),
      hidden_size(config.hidden_size),
      rms_norm_eps(config.rms_norm_eps),
      self_attn(config, rope),
      mlp(make_feed_forward(config, index)) {}

void Block::visit(const std::string& prefix, ParameterVisitor& visitor) {
  visitor.vector(prefix + "input_layernorm.weight", input_layernorm, hidden_size);
  self_attn.visit(prefix + "self_attn.", visitor);
  visitor.vector(prefix + "post_attention_layernorm.weight", post_attention_layernorm, hidden_size);
  std::visit([&](auto& network) { network.visit(prefix + "mlp.", visitor); }, mlp);
}

Tensor Block::forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch,
                      ops::LatentCache& cache) const {
  const Tensor attended_TD =
      self_attn.forward(ctx, rms_norm(ctx, x_TD, input_layernorm, rms_norm_eps), batch, cache, layer);
  const Tensor residual_TD = add(ctx, x_TD, attended_TD);
  const Tensor normed_TD = rms_norm(ctx, residual_TD, post_attention_layernorm, rms_norm_eps);
  const Tensor fed_TD = std::holds_alternative<Moe>(mlp) ? std::get<Moe>(mlp).forward(ctx, normed_TD, batch, layer)
                                                         : std::get<Mlp>(mlp).forward(ctx, normed_TD);
  return add(ctx, residual_TD, fed_TD);
}

MtpModule::MtpModule(const ModelConfig& config, const ops::Rope& rope, int64_t layer)
    : hidden_size(config.hidden_size),
      vocab_size(config.vocab_size),
      rms_norm_eps(config.rms_norm_eps),
      block(config, rope, layer) {}

void MtpModule::visit(const std::string& prefix, ParameterVisitor& visitor) {
  visitor.matrix(prefix + "embed_tokens.weight", embed_tokens, vocab_size, hidden_size);
  visitor.vector(prefix + "enorm.weight", enorm, hidden_size);
  visitor.vector(prefix + "hnorm.weight", hnorm, hidden_size);
  visitor.matrix(prefix + "eh_proj.weight", eh_proj, hidden_size, 2 * hidden_size);
  block.visit(prefix, visitor);
  visitor.vector(prefix + "shared_head.norm.weight", shared_head_norm, hidden_size);
  visitor.matrix(prefix + "shared_head.head.weight", shared_head_head, vocab_size, hidden_size);
}

Tensor MtpModule::forward(const ops::Context& ctx, const Tensor& embeddings_TD, const Tensor& hidden_TD,
                          const ops::TokenBatch& batch, ops::LatentCache& cache) const {
  const Tensor both_T2D =
      concat(ctx, rms_norm(ctx, embeddings_TD, enorm, rms_norm_eps), rms_norm(ctx, hidden_TD, hnorm, rms_norm_eps));
  return block.forward(ctx, linear(ctx, both_T2D, eh_proj), batch, cache);
}

Tensor MtpModule::embed(const ops::Context& ctx, std::span<const int32_t> tokens) const {
  return embedding(ctx, tokens, embed_tokens);
}

Tensor MtpModule::logits(const ops::Context& ctx, const Tensor& hidden_TD) const {
  return linear(ctx, rms_norm(ctx, hidden_TD, shared_head_norm, rms_norm_eps), shared_head_head);
}

ops::CrossEntropyLoss MtpModule::loss(const ops::Context& ctx, const Tensor& hidden_TD,
                                      std::span<const int32_t> targets_T, const ops::CrossEntropyParams& params) const {
  return cross_entropy(ctx, rms_norm(ctx, hidden_TD, shared_head_norm, rms_norm_eps), shared_head_head, targets_T,
                       params);
}

Transformer::Transformer(const ModelConfig& config) : config_(config) {
  const ops::Rope rope = make_rope(config);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) layers_.emplace_back(config, rope, layer);
  for (int64_t depth = 0; depth < config.num_nextn_predict_layers; ++depth) {
    mtp_.emplace_back(config, rope, config.num_hidden_layers + depth);
  }
}

void Transformer::visit(ParameterVisitor& visitor) {
  const auto layer_prefix = [](int64_t layer) { return "model.layers." + std::to_string(layer) + "."; };
  visitor.matrix("model.embed_tokens.weight", embed_tokens, config_.vocab_size, config_.hidden_size);
  int64_t layer = 0;
  for (Block& block : layers_) block.visit(layer_prefix(layer++), visitor);
  visitor.vector("model.norm.weight", norm, config_.hidden_size);
  if (config_.tie_word_embeddings) {
    lm_head = embed_tokens;
  } else {
    visitor.matrix("lm_head.weight", lm_head, config_.vocab_size, config_.hidden_size);
  }
  for (MtpModule& module : mtp_) module.visit(layer_prefix(layer++), visitor);
}

Tensor Transformer::forward(const ops::Context& ctx, const ops::TokenBatch& batch, ops::LatentCache& cache) const {
  Tensor x_TD = embedding(ctx, batch.tokens, embed_tokens);
  int64_t layer = 0;
  for (const Block& block : layers_) {
    observe(ctx, "hidden", layer++, x_TD);
    x_TD = block.forward(ctx, x_TD, batch, cache);
  }
  observe(ctx, "hidden", layer, x_TD);
  return rms_norm(ctx, x_TD, norm, config_.rms_norm_eps);
}

Tensor Transformer::logits(const ops::Context& ctx, const Tensor& hidden_TD) const {
  return linear(ctx, hidden_TD, lm_head);
}

ops::CrossEntropyLoss Transformer::loss(const ops::Context& ctx, const Tensor& hidden_TD,
                                        std::span<const int32_t> targets_T,
                                        const ops::CrossEntropyParams& params) const {
  return cross_entropy(ctx, hidden_TD, lm_head, targets_T, params);
}

ops::CacheShape Transformer::cache_shape() const {
  return {.layers = config_.cache_layers(), .latent_dim = config_.latent_dim(), .index_dim = config_.index_head_dim};
}

}  // namespace fathom::model
