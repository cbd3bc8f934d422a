#include "model/config.h"

#include <cmath>

#include "base/error.h"
#include "tensor/blocks.h"

namespace fathom::model {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 31;

int64_t size_or(const json::Reader& json, std::string_view key, int64_t otherwise) {
  const auto field = json.find(key);
  return field ? field->as_int(0, kMaxSize) : otherwise;
}

int64_t positive(const json::Reader& json, std::string_view key) { return json.get(key).as_int(1, kMaxSize); }

double number_or(const json::Reader& json, std::string_view key, double otherwise) {
  const auto field = json.find(key);
  return field ? field->as_double() : otherwise;
}

bool flag_or(const json::Reader& json, std::string_view key, bool otherwise) {
  const auto field = json.find(key);
  return field ? field->as_bool() : otherwise;
}

std::string text_or(const json::Reader& json, std::string_view key, std::string_view otherwise) {
  const auto field = json.find(key);
  return std::string(field ? std::string_view(field->as_string()) : otherwise);
}

std::optional<RopeScaling> read_rope(const json::Reader& json) {
  auto rope = json.find("rope_scaling");
  if (!rope) rope = json.find("rope_parameters");
  if (!rope) return std::nullopt;
  const std::string type = text_or(*rope, "type", text_or(*rope, "rope_type", "default"));
  if (type == "default") return std::nullopt;
  if (type != "yarn") {
    fail(ErrorCode::kUnsupported, rope->location(), "rope scaling of type '{}', supported are yarn and none", type);
  }
  RopeScaling out;
  out.factor = rope->get("factor").as_double();
  out.beta_fast = number_or(*rope, "beta_fast", 32);
  out.beta_slow = number_or(*rope, "beta_slow", 1);
  out.mscale = number_or(*rope, "mscale", 1);
  out.mscale_all_dim = number_or(*rope, "mscale_all_dim", 0);
  out.original_max_position_embeddings = positive(*rope, "original_max_position_embeddings");
  if (!(out.factor >= 1) || !std::isfinite(out.factor)) rope->get("factor").fail_expected("a factor of at least 1");
  return out;
}

void read_moe(const json::Reader& json, ModelConfig& c) {
  c.n_routed_experts = size_or(json, "n_routed_experts", 0);
  if (c.n_routed_experts == 0) return;
  c.first_k_dense_replace = size_or(json, "first_k_dense_replace", 0);
  const auto frequency = json.find("moe_layer_freq");
  c.moe_layer_freq = frequency ? frequency->as_int(1, kMaxSize) : 1;
  c.moe_intermediate_size = positive(json, "moe_intermediate_size");
  c.n_shared_experts = size_or(json, "n_shared_experts", 0);
  c.num_experts_per_tok = json.get("num_experts_per_tok").as_int(1, c.n_routed_experts);
  const auto groups = json.find("n_group");
  c.n_group = groups ? groups->as_int(1, c.n_routed_experts) : 1;
  const auto chosen = json.find("topk_group");
  c.topk_group = chosen ? chosen->as_int(1, c.n_group) : 1;
  c.norm_topk_prob = flag_or(json, "norm_topk_prob", false);
  c.routed_scaling_factor = number_or(json, "routed_scaling_factor", 1);

  const std::string scoring = text_or(json, "scoring_func", "softmax");
  if (scoring != "softmax" && scoring != "sigmoid") {
    json.get("scoring_func").fail_expected("softmax or sigmoid");
  }
  c.scoring_func = scoring == "sigmoid" ? ScoringFunc::kSigmoid : ScoringFunc::kSoftmax;
  const std::string method =
      text_or(json, "topk_method", c.scoring_func == ScoringFunc::kSigmoid ? "noaux_tc" : "greedy");
  if (method == "greedy" || method == "gready") {  // V2-Lite was published with the second spelling
    c.topk_method = TopkMethod::kGreedy;
  } else if (method == "group_limited_greedy") {
    c.topk_method = TopkMethod::kGroupLimitedGreedy;
  } else if (method == "noaux_tc") {
    c.topk_method = TopkMethod::kNoauxTc;
  } else {
    json.get("topk_method").fail_expected("greedy, group_limited_greedy or noaux_tc");
  }
  if (c.n_routed_experts % c.n_group != 0) {
    fail(ErrorCode::kInvalidData, json.location(), "n_routed_experts {} is no multiple of n_group {}",
         c.n_routed_experts, c.n_group);
  }
  if (c.topk_method != TopkMethod::kGreedy && c.num_experts_per_tok > c.n_routed_experts / c.n_group * c.topk_group) {
    fail(ErrorCode::kInvalidData, json.location(), "num_experts_per_tok {} is more than {} groups hold",
         c.num_experts_per_tok, c.topk_group);
  }
}

void refuse_unsupported(const json::Reader& json, const ModelConfig& c) {
  const auto expect = [&](bool is_fine, std::string_view key, std::string_view supported) {
    if (!is_fine) fail(ErrorCode::kUnsupported, json.get(key).location(), "only {} is supported", supported);
  };
  expect(text_or(json, "hidden_act", "silu") == "silu", "hidden_act", "silu");
  expect(!flag_or(json, "attention_bias", false), "attention_bias", "false");
  expect(size_or(json, "num_key_value_heads", c.num_attention_heads) == c.num_attention_heads, "num_key_value_heads",
         "num_attention_heads (the latent serves all heads)");
  const auto quantization = json.find("quantization_config");
  if (!quantization) return;
  const auto block = quantization->find("weight_block_size");
  const bool is_128 = block && block->is_array() && block->items().size() == 2 &&
                      block->items()[0].as_int() == kScaleBlock && block->items()[1].as_int() == kScaleBlock;
  if (text_or(*quantization, "quant_method", "") != "fp8" || !is_128) {
    fail(ErrorCode::kUnsupported, quantization->location(), "only fp8 with weight_block_size [128, 128] is supported");
  }
}

}  // namespace

ModelConfig read_config(const json::Reader& json) {
  ModelConfig c;
  c.model_type = text_or(json, "model_type", "");
  if (c.model_type != "deepseek_v2" && c.model_type != "deepseek_v3" && c.model_type != "deepseek_v32" &&
      c.model_type != "kimi_k2") {
    fail(ErrorCode::kUnsupported, json.location(),
         "model_type '{}' is not of this family: deepseek_v2, deepseek_v3, deepseek_v32, kimi_k2", c.model_type);
  }
  c.vocab_size = positive(json, "vocab_size");
  c.hidden_size = positive(json, "hidden_size");
  c.num_hidden_layers = json.get("num_hidden_layers").as_int(1, 4096);
  c.max_position_embeddings = positive(json, "max_position_embeddings");
  c.rms_norm_eps = number_or(json, "rms_norm_eps", 1e-6);
  c.tie_word_embeddings = flag_or(json, "tie_word_embeddings", false);
  c.num_attention_heads = json.get("num_attention_heads").as_int(1, 65536);
  if (const auto rank = json.find("q_lora_rank")) c.q_lora_rank = rank->as_int(1, kMaxSize);
  c.kv_lora_rank = positive(json, "kv_lora_rank");
  c.qk_nope_head_dim = positive(json, "qk_nope_head_dim");
  c.qk_rope_head_dim = positive(json, "qk_rope_head_dim");
  c.v_head_dim = positive(json, "v_head_dim");
  c.rope_theta = number_or(json, "rope_theta", 10000);
  c.rope_scaling = read_rope(json);
  c.intermediate_size = positive(json, "intermediate_size");
  read_moe(json, c);
  c.num_nextn_predict_layers = size_or(json, "num_nextn_predict_layers", 0);
  c.index_n_heads = size_or(json, "index_n_heads", 0);
  if (c.has_indexer()) {
    c.index_head_dim = positive(json, "index_head_dim");
    c.index_topk = positive(json, "index_topk");
    if (!c.q_lora_rank) fail(ErrorCode::kInvalidData, json.location(), "an indexer needs q_lora_rank");
    if (c.index_head_dim < c.qk_rope_head_dim) {
      fail(ErrorCode::kInvalidData, json.location(), "index_head_dim {} is less than qk_rope_head_dim {}",
           c.index_head_dim, c.qk_rope_head_dim);
    }
  }
  if (c.qk_rope_head_dim % 2 != 0) json.get("qk_rope_head_dim").fail_expected("an even number");
  refuse_unsupported(json, c);
  c.has_fp8_blocks = json.find("quantization_config").has_value();
  c.torch_dtype = text_or(json, "torch_dtype", text_or(json, "dtype", ""));
  c.bos_token_id = size_or(json, "bos_token_id", 0);
  if (const auto eos = json.find("eos_token_id")) {
    if (eos->is_array()) {
      for (const auto& id : eos->items()) c.eos_token_ids.push_back(id.as_int(0, kMaxSize));
    } else {
      c.eos_token_ids.push_back(eos->as_int(0, kMaxSize));
    }
  }
  return c;
}

}  // namespace fathom::model
