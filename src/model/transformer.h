#pragma once
// The whole of DeepSeek-V2 and V3: embedding, layers, final norm, head, and the multi-token-prediction modules. The
// same definition serves training and inference; what differs is the context.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/attention.h"
#include "model/feed_forward.h"
#include "ops/cross_entropy.h"

namespace fathom::model {

// One layer: x + attention(norm(x)), then x + feed_forward(norm(x)).
class Block {
 public:
  // `layer` is its index among all layers, MTP modules counted on; it decides between dense and MoE.
  Block(const ModelConfig& config, const ops::Rope& rope, int64_t layer);
  void visit(const std::string& prefix, ParameterVisitor& visitor);
  Tensor forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch,
                 ops::LatentCache& cache) const;

 private:
  int64_t layer, hidden_size;
  double rms_norm_eps;
  Tensor input_layernorm, post_attention_layernorm;
  Attention self_attn;
  std::variant<Mlp, Moe> mlp;
};

// A multi-token-prediction module (V3 report, section 2.2): from the hidden state at position i and the embedding of
// token i + depth it predicts token i + depth + 1.
class MtpModule {
 public:
  MtpModule(const ModelConfig& config, const ops::Rope& rope, int64_t layer);
  void visit(const std::string& prefix, ParameterVisitor& visitor);

  // embeddings_TD of the later tokens; hidden_TD: the main model's after its final norm, or the previous module's
  // output. Returns the module's hidden state before shared_head.norm, [T, D].
  Tensor forward(const ops::Context& ctx, const Tensor& embeddings_TD, const Tensor& hidden_TD,
                 const ops::TokenBatch& batch, ops::LatentCache& cache) const;
  // Embedding of tokens by the module's own copy of the matrix.
  Tensor embed(const ops::Context& ctx, std::span<const int32_t> tokens) const;
  // Logits [T, V] of the module's hidden states.
  Tensor logits(const ops::Context& ctx, const Tensor& hidden_TD) const;
  // Cross-entropy of the tokens that the hidden states predict.
  ops::CrossEntropyLoss loss(const ops::Context& ctx, const Tensor& hidden_TD, std::span<const int32_t> targets_T,
                             const ops::CrossEntropyParams& params) const;

 private:
  int64_t hidden_size, vocab_size;
  double rms_norm_eps;
  Weight embed_tokens, eh_proj, shared_head_head;
  Tensor enorm, hnorm, shared_head_norm;
  Block block;
};

class Transformer {
 public:
  // Without weights: visit() says which it wants.
  explicit Transformer(const ModelConfig& config);

  const ModelConfig& config() const { return config_; }
  // All parameters, in the order of the published index.
  void visit(ParameterVisitor& visitor);

  // Hidden states [T, D] after the final norm. Appends every token to the cache.
  // Shows "hidden" (per layer: the input of layer N; of layer num_hidden_layers: the output of the last) to the probe.
  Tensor forward(const ops::Context& ctx, const ops::TokenBatch& batch, ops::LatentCache& cache) const;
  // Logits [T, V] of hidden states after the final norm.
  Tensor logits(const ops::Context& ctx, const Tensor& hidden_TD) const;
  // Cross-entropy of the tokens behind them.
  ops::CrossEntropyLoss loss(const ops::Context& ctx, const Tensor& hidden_TD, std::span<const int32_t> targets_T,
                             const ops::CrossEntropyParams& params) const;

  const std::vector<MtpModule>& mtp() const { return mtp_; }
  // What the cache must hold.
  ops::CacheShape cache_shape() const;

 private:
  ModelConfig config_;
  Weight embed_tokens, lm_head;
  Tensor norm;
  std::vector<Block> layers_;
  std::vector<MtpModule> mtp_;
};

}  // namespace fathom::model
