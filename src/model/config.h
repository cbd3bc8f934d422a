#pragma once
// What a DeepSeek checkpoint's config.json says, one to one: a key there, a field here, a word in the code.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace fathom::model {

enum class ScoringFunc { kSoftmax, kSigmoid };
enum class TopkMethod {
  kGreedy,              // the best of all
  kGroupLimitedGreedy,  // V2: the best of the groups whose best score is highest
  kNoauxTc,             // V3: the same with e_score_correction_bias, groups ranked by the sum of their two best
};

// rope_scaling of type "yarn" (Peng et al. 2023, as DeepSeek applies it).
struct RopeScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 0;
  int64_t original_max_position_embeddings = 4096;

  bool operator==(const RopeScaling&) const = default;
};

struct ModelConfig {
  std::string model_type;    // deepseek_v2, deepseek_v3, deepseek_v32, kimi_k2
  std::string architecture;  // the one name in "architectures"; may be empty
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;

  int64_t num_attention_heads = 0;
  std::optional<int64_t> q_lora_rank;  // absent: q_proj is one matrix
  int64_t kv_lora_rank = 0;
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;

  int64_t intermediate_size = 0;  // of the dense layers
  int64_t first_k_dense_replace = 0;
  int64_t moe_layer_freq = 1;
  int64_t moe_intermediate_size = 0;
  int64_t n_routed_experts = 0;  // 0: every layer is dense
  int64_t n_shared_experts = 0;
  int64_t num_experts_per_tok = 0;
  int64_t n_group = 1;
  int64_t topk_group = 1;
  TopkMethod topk_method = TopkMethod::kGreedy;
  ScoringFunc scoring_func = ScoringFunc::kSoftmax;
  bool norm_topk_prob = false;
  double routed_scaling_factor = 1;

  int64_t num_nextn_predict_layers = 0;  // MTP modules, stored as layers num_hidden_layers, ...

  int64_t index_n_heads = 0;  // V3.2's lightning indexer; 0: attention is dense
  int64_t index_head_dim = 0;
  int64_t index_topk = 0;

  std::string torch_dtype;      // as published; what `inspect` prints
  bool has_fp8_blocks = false;  // quantization_config: fp8, 128x128
  int64_t bos_token_id = 0;
  std::vector<int64_t> eos_token_ids;  // eos_token_id, one or several

  int64_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  // Values that the cache keeps per token and layer.
  int64_t latent_dim() const { return kv_lora_rank + qk_rope_head_dim; }
  bool is_moe_layer(int64_t layer) const {
    return n_routed_experts > 0 && layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
  }
  bool has_indexer() const { return index_n_heads > 0; }
  // Layers that keep a cache: the transformer's and the MTP modules'.
  int64_t cache_layers() const { return num_hidden_layers + num_nextn_predict_layers; }

  bool operator==(const ModelConfig&) const = default;
};

// Reads a parsed config.json. Throws Error naming the key for a missing or impossible value, an unknown architecture,
// or a feature outside of this family (attention bias, another activation, another rope or quantisation type).
ModelConfig read_config(const json::Reader& json);

}  // namespace fathom::model
