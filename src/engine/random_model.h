#pragma once
// A small model with random weights, for the tests of the engine. Nothing else includes this.

#include <memory>
#include <string>
#include <vector>

#include "model/transformer.h"
#include "ops/test_support.h"

namespace fathom::engine {

// Every matrix and vector of a model, random by name.
class RandomWeights : public model::ParameterVisitor {
 public:
  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override {
    const double deviation = 1.5 / std::sqrt(static_cast<double>(cols));
    matrices_.push_back(std::make_unique<ops::Matrix>(rows, cols, format_of(name), seed_of(name), deviation));
    weight = matrices_.back()->weight();
  }
  void vector(const std::string& name, Tensor& values, int64_t n) override {
    values = ops::random_tensor({n}, seed_of(name), 0.2);
    if (!name.ends_with("bias")) {
      for (int64_t i = 0; i < n; ++i) values.f32()[i] += 1;
    }
  }

 private:
  static uint64_t seed_of(const std::string& name) { return std::hash<std::string>()(name); }
  static DType format_of(const std::string& name) {
    if (name.find("proj") == std::string::npos) return DType::kF32;
    return name.find("experts") == std::string::npos ? DType::kBF16 : DType::kF8E4M3;
  }

  std::vector<std::unique_ptr<ops::Matrix>> matrices_;
};

struct RandomModel {
  explicit RandomModel(const model::ModelConfig& config) : transformer(config) { transformer.visit(weights); }
  RandomWeights weights;
  model::Transformer transformer;
};

// V3 in small: query latent, one dense layer, one of experts chosen by noaux_tc, YaRN. The vocabulary is so small that
// even random modules draft many a token rightly.
inline model::ModelConfig small_config() {
  model::ModelConfig c;
  c.model_type = "deepseek_v3";
  c.vocab_size = 7;
  c.hidden_size = 24;
  c.num_hidden_layers = 2;
  c.max_position_embeddings = 300;
  c.num_attention_heads = 2;
  c.q_lora_rank = 12;
  c.kv_lora_rank = 16;
  c.qk_nope_head_dim = 8;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 6;
  c.rope_scaling = model::RopeScaling{.factor = 4, .mscale_all_dim = 1, .original_max_position_embeddings = 64};
  c.intermediate_size = 40;
  c.first_k_dense_replace = 1;
  c.moe_intermediate_size = 20;
  c.n_routed_experts = 8;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 2;
  c.n_group = 4;
  c.topk_group = 2;
  c.topk_method = model::TopkMethod::kNoauxTc;
  c.scoring_func = model::ScoringFunc::kSigmoid;
  c.norm_topk_prob = true;
  c.routed_scaling_factor = 2.5;
  return c;
}

inline model::ModelConfig with_mtp(model::ModelConfig config, int64_t modules) {
  config.num_nextn_predict_layers = modules;
  return config;
}

inline model::ModelConfig with_indexer(model::ModelConfig config) {
  config.model_type = "deepseek_v32";
  config.index_n_heads = 2;
  config.index_head_dim = 8;
  config.index_topk = 9;
  return config;
}

// V2-Lite in small: one query matrix, softmax, greedy choice.
inline model::ModelConfig small_v2_lite() {
  model::ModelConfig c = small_config();
  c.model_type = "deepseek_v2";
  c.q_lora_rank = std::nullopt;
  c.n_group = c.topk_group = 1;
  c.topk_method = model::TopkMethod::kGreedy;
  c.scoring_func = model::ScoringFunc::kSoftmax;
  c.norm_topk_prob = false;
  c.routed_scaling_factor = 1;
  return c;
}

}  // namespace fathom::engine
