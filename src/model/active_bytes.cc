#include "model/active_bytes.h"

#include <cmath>
#include <string>

namespace fathom::model {
namespace {

// Adds up what a forward pass reads. `expert_share` is the share of the routed experts that take part.
class CostCounter : public ParameterVisitor {
 public:
  CostCounter(const ModelConfig& config, double expert_share) : config_(config), expert_share_(expert_share) {}

  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override {
    if (is_mtp(name)) return;
    const double share = name.find(".experts.") != std::string::npos ? expert_share_ : 1.0;
    const auto bytes = static_cast<double>(weight.bytes());
    if (name == "model.embed_tokens.weight") {
      cost.weight_bytes += bytes / static_cast<double>(rows);
      if (config_.tie_word_embeddings) add_product(bytes, rows, cols, 1.0);
      return;
    }
    add_product(bytes, rows, cols, share);
  }

  void vector(const std::string& name, Tensor&, int64_t n) override {
    if (!is_mtp(name)) cost.weight_bytes += static_cast<double>(n) * sizeof(float);
  }

  TokenCost cost;

 private:
  bool is_mtp(const std::string& name) const { return is_mtp_parameter(config_, name); }

  void add_product(double bytes, int64_t rows, int64_t cols, double share) {
    cost.weight_bytes += bytes * share;
    cost.linear_flops += 2.0 * static_cast<double>(rows) * static_cast<double>(cols) * share;
  }

  const ModelConfig& config_;
  double expert_share_;
};

double one_token_share(const ModelConfig& config) {
  return config.n_routed_experts == 0
             ? 1.0
             : static_cast<double>(config.num_experts_per_tok) / static_cast<double>(config.n_routed_experts);
}

}  // namespace

bool is_mtp_parameter(const ModelConfig& config, const std::string& name) {
  constexpr std::string_view kPrefix = "model.layers.";
  return name.starts_with(kPrefix) && std::stoll(name.substr(kPrefix.size())) >= config.num_hidden_layers;
}

TokenCost token_cost(Transformer& model, int64_t depth, int64_t cache_value_bytes) {
  const ModelConfig& config = model.config();
  CostCounter counter(config, one_token_share(config));
  model.visit(counter);
  TokenCost cost = counter.cost;
  const auto layers = static_cast<double>(config.num_hidden_layers);
  const auto positions = static_cast<double>(depth);
  cost.cache_bytes = layers * positions * static_cast<double>(config.latent_dim() * cache_value_bytes);
  cost.flops = cost.linear_flops + 2 * layers * positions * static_cast<double>(config.num_attention_heads) *
                                       static_cast<double>(config.latent_dim() + config.kv_lora_rank);
  return cost;
}

double batch_weight_bytes(Transformer& model, int64_t tokens) {
  const ModelConfig& config = model.config();
  const double left_out = std::pow(1.0 - one_token_share(config), static_cast<double>(tokens));
  CostCounter counter(config, config.n_routed_experts == 0 ? 1.0 : 1.0 - left_out);
  model.visit(counter);
  return counter.cost.weight_bytes;
}

}  // namespace fathom::model
