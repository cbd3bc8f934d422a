#include "model/config.h"

#include <cmath>

#include "base/error.h"
#include "tensor/blocks.h"

namespace fathom::model {
namespace {

// Larger than any published model by far, and small enough that no product of the sizes that make up a matrix leaves 63
// bits: heads * head_dim * rank, shared experts * intermediate * hidden.
constexpr int64_t kMaxSize = int64_t{1} << 31;  // of what counts tokens
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxHidden = int64_t{1} << 20;
constexpr int64_t kMaxHeads = int64_t{1} << 14;
constexpr int64_t kMaxHeadDim = int64_t{1} << 16;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxExperts = int64_t{1} << 16;
constexpr int64_t kMaxSharedExperts = 1024;
constexpr int64_t kMaxMtpModules = 64;
// Experts of all layers: each is an object before a weight is read.
constexpr int64_t kMaxAllExperts = int64_t{1} << 20;

int64_t size_or(const json::Reader& json, std::string_view key, int64_t otherwise, int64_t max) {
  const auto field = json.find(key);
  return field ? field->as_int(0, max) : otherwise;
}

int64_t positive(const json::Reader& json, std::string_view key, int64_t max) { return json.get(key).as_int(1, max); }

// A number in (0, max], or `otherwise` when the key is missing.
double positive_number_or(const json::Reader& json, std::string_view key, double otherwise, double max) {
  const auto field = json.find(key);
  if (!field) return otherwise;
  const double value = field->as_double();
  if (!(value > 0 && value <= max)) field->fail_expected(fmt::format("a number above 0, at most {:g}", max));
  return value;
}

double mscale_or(const json::Reader& json, std::string_view key, double otherwise) {
  const auto field = json.find(key);
  if (!field) return otherwise;
  const double value = field->as_double();
  if (!(value >= 0 && value <= 1000)) field->fail_expected("a number in [0, 1000]");
  return value;
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
    fail(ErrorCode::kUnsupported, rope->location(), "found type {}, expected yarn or none", json::quote(type));
  }
  RopeScaling out;
  out.factor = rope->get("factor").as_double();
  if (!(out.factor >= 1 && out.factor <= 1e6)) rope->get("factor").fail_expected("a number in [1, 1e6]");
  out.beta_fast = positive_number_or(*rope, "beta_fast", 32, 1e6);
  out.beta_slow = positive_number_or(*rope, "beta_slow", 1, 1e6);
  out.mscale = mscale_or(*rope, "mscale", 1);
  out.mscale_all_dim = mscale_or(*rope, "mscale_all_dim", 0);
  out.original_max_position_embeddings = positive(*rope, "original_max_position_embeddings", kMaxSize);
  return out;
}

void read_moe(const json::Reader& json, ModelConfig& c) {
  c.n_routed_experts = size_or(json, "n_routed_experts", 0, kMaxExperts);
  if (c.n_routed_experts == 0) return;
  c.first_k_dense_replace = size_or(json, "first_k_dense_replace", 0, kMaxLayers);
  const auto frequency = json.find("moe_layer_freq");
  c.moe_layer_freq = frequency ? frequency->as_int(1, kMaxLayers) : 1;
  c.moe_intermediate_size = positive(json, "moe_intermediate_size", kMaxHidden);
  c.n_shared_experts = size_or(json, "n_shared_experts", 0, kMaxSharedExperts);
  c.num_experts_per_tok = json.get("num_experts_per_tok").as_int(1, c.n_routed_experts);
  const auto groups = json.find("n_group");
  c.n_group = groups ? groups->as_int(1, c.n_routed_experts) : 1;
  const auto chosen = json.find("topk_group");
  c.topk_group = chosen ? chosen->as_int(1, c.n_group) : 1;
  c.norm_topk_prob = flag_or(json, "norm_topk_prob", false);
  c.routed_scaling_factor = positive_number_or(json, "routed_scaling_factor", 1, 1e6);

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
    json.get("n_group").fail_expected(fmt::format("a divisor of n_routed_experts {}", c.n_routed_experts));
  }
  if (c.topk_method != TopkMethod::kGreedy && c.num_experts_per_tok > c.n_routed_experts / c.n_group * c.topk_group) {
    json.get("num_experts_per_tok")
        .fail_expected(fmt::format("at most the {} experts of topk_group {} groups",
                                   c.n_routed_experts / c.n_group * c.topk_group, c.topk_group));
  }
}

// A value that is well-formed and that other models of this format use.
[[noreturn]] void refuse(const json::Reader& field, std::string_view supported) {
  std::string found = json::dump(field.value());
  if (found.size() > 60) found = found.substr(0, 60) + "...";
  fail(ErrorCode::kUnsupported, field.location(), "found {}, supported is only {}", found, supported);
}

void check_quantization(const json::Reader& quantization) {
  const auto method = quantization.get("quant_method");
  if (method.as_string() != "fp8") refuse(method, "fp8");
  if (text_or(quantization, "fmt", "e4m3") != "e4m3") refuse(quantization.get("fmt"), "e4m3");
  const auto block = quantization.get("weight_block_size");
  const auto sizes = block.items();
  if (sizes.size() != 2 || sizes[0].as_int() != kScaleBlock || sizes[1].as_int() != kScaleBlock) {
    refuse(block, "[128, 128]");
  }
}

void refuse_unsupported(const json::Reader& json, const ModelConfig& c) {
  const auto expect = [&](bool is_fine, std::string_view key, std::string_view supported) {
    if (!is_fine) refuse(json.get(key), supported);
  };
  expect(text_or(json, "hidden_act", "silu") == "silu", "hidden_act", "silu");
  expect(!flag_or(json, "attention_bias", false), "attention_bias", "false");
  expect(size_or(json, "num_key_value_heads", c.num_attention_heads, kMaxHeads) == c.num_attention_heads,
         "num_key_value_heads", "num_attention_heads (the latent serves all heads)");
  if (const auto quantization = json.find("quantization_config")) check_quantization(*quantization);
}

std::string read_architecture(const json::Reader& json) {
  const auto architectures = json.find("architectures");
  if (!architectures) return "";
  const auto items = architectures->items();
  if (items.size() != 1) architectures->fail_expected("one name");
  const std::string name(items[0].as_string());
  if (name != "DeepseekV2ForCausalLM" && name != "DeepseekV3ForCausalLM" && name != "DeepseekV32ForCausalLM") {
    refuse(items[0], "DeepseekV2ForCausalLM, DeepseekV3ForCausalLM or DeepseekV32ForCausalLM");
  }
  return name;
}

}  // namespace

ModelConfig read_config(const json::Reader& json) {
  ModelConfig c;
  c.model_type = text_or(json, "model_type", "");
  if (c.model_type != "deepseek_v2" && c.model_type != "deepseek_v3" && c.model_type != "deepseek_v32" &&
      c.model_type != "kimi_k2") {
    fail(ErrorCode::kUnsupported, json.location(),
         "model_type is {}, expected deepseek_v2, deepseek_v3, deepseek_v32 or kimi_k2", json::quote(c.model_type));
  }
  c.architecture = read_architecture(json);
  c.vocab_size = positive(json, "vocab_size", kMaxVocab);
  c.hidden_size = positive(json, "hidden_size", kMaxHidden);
  c.num_hidden_layers = positive(json, "num_hidden_layers", kMaxLayers);
  c.max_position_embeddings = positive(json, "max_position_embeddings", kMaxSize);
  c.rms_norm_eps = positive_number_or(json, "rms_norm_eps", 1e-6, 1);
  c.tie_word_embeddings = flag_or(json, "tie_word_embeddings", false);
  c.num_attention_heads = positive(json, "num_attention_heads", kMaxHeads);
  if (const auto rank = json.find("q_lora_rank")) c.q_lora_rank = rank->as_int(1, kMaxHidden);
  c.kv_lora_rank = positive(json, "kv_lora_rank", kMaxHidden);
  c.qk_nope_head_dim = positive(json, "qk_nope_head_dim", kMaxHeadDim);
  c.qk_rope_head_dim = positive(json, "qk_rope_head_dim", kMaxHeadDim);
  c.v_head_dim = positive(json, "v_head_dim", kMaxHeadDim);
  c.rope_theta = positive_number_or(json, "rope_theta", 10000, 1e12);
  if (!(c.rope_theta > 1)) json.get("rope_theta").fail_expected("a number above 1");
  c.rope_scaling = read_rope(json);
  c.intermediate_size = positive(json, "intermediate_size", kMaxVocab);
  read_moe(json, c);
  c.num_nextn_predict_layers = size_or(json, "num_nextn_predict_layers", 0, kMaxMtpModules);
  if (c.n_routed_experts * c.cache_layers() > kMaxAllExperts) {
    json.get("n_routed_experts")
        .fail_expected(fmt::format("at most {} in {} layers", kMaxAllExperts / c.cache_layers(), c.cache_layers()));
  }
  c.index_n_heads = size_or(json, "index_n_heads", 0, kMaxHeads);
  if (c.has_indexer()) {
    c.index_head_dim = positive(json, "index_head_dim", kMaxHeadDim);
    c.index_topk = positive(json, "index_topk", kMaxSize);
    if (!c.q_lora_rank) json.get("index_n_heads").fail_expected("0, because there is no q_lora_rank to index with");
    if (c.index_head_dim < c.qk_rope_head_dim) {
      json.get("index_head_dim").fail_expected(fmt::format("at least qk_rope_head_dim {}", c.qk_rope_head_dim));
    }
  }
  if (c.qk_rope_head_dim % 2 != 0) json.get("qk_rope_head_dim").fail_expected("an even number");
  refuse_unsupported(json, c);
  c.has_fp8_blocks = json.find("quantization_config").has_value();
  c.torch_dtype = text_or(json, "torch_dtype", text_or(json, "dtype", ""));
  c.bos_token_id = size_or(json, "bos_token_id", 0, c.vocab_size - 1);
  if (const auto eos = json.find("eos_token_id")) {
    if (eos->is_array()) {
      for (const auto& id : eos->items()) c.eos_token_ids.push_back(id.as_int(0, c.vocab_size - 1));
    } else {
      c.eos_token_ids.push_back(eos->as_int(0, c.vocab_size - 1));
    }
  }
  return c;
}

}  // namespace fathom::model
