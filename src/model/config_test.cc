// Published configurations in their public field names, and configurations that lie.

#include "model/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/transformer.h"

namespace fathom::model {
namespace {

// V3 and R1: every field that the reader knows.
constexpr const char* kV3 = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "vocab_size": 640, "hidden_size": 96,
  "num_hidden_layers": 5, "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "tie_word_embeddings": false,
  "num_attention_heads": 6, "num_key_value_heads": 6, "q_lora_rank": 40, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
  "qk_rope_head_dim": 8, "v_head_dim": 12, "rope_theta": 10000,
  "rope_scaling": {"type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0,
                   "original_max_position_embeddings": 512},
  "intermediate_size": 200, "first_k_dense_replace": 3, "moe_layer_freq": 1, "moe_intermediate_size": 24,
  "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2,
  "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "num_nextn_predict_layers": 1, "hidden_act": "silu", "attention_bias": false, "torch_dtype": "bfloat16",
  "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
                          "weight_block_size": [128, 128]},
  "bos_token_id": 0, "eos_token_id": 1})";

json::Object v3() { return json::parse(kV3, "config.json").as_object(); }

ModelConfig read(const json::Object& object) {
  const json::Value value = object;
  return read_config(json::Reader(value, "config.json"));
}

TEST(Config, ReadsV3) {
  const ModelConfig c = read(v3());
  EXPECT_EQ(c.architecture, "DeepseekV3ForCausalLM");
  EXPECT_EQ(c.model_type, "deepseek_v3");
  EXPECT_EQ(c.vocab_size, 640);
  EXPECT_EQ(c.hidden_size, 96);
  EXPECT_EQ(c.num_hidden_layers, 5);
  EXPECT_EQ(c.max_position_embeddings, 2048);
  EXPECT_EQ(c.rms_norm_eps, 1e-6);
  EXPECT_EQ(c.num_attention_heads, 6);
  EXPECT_EQ(c.q_lora_rank, 40);
  EXPECT_EQ(c.kv_lora_rank, 32);
  EXPECT_EQ(c.qk_head_dim(), 24);
  EXPECT_EQ(c.latent_dim(), 40);
  EXPECT_EQ(c.v_head_dim, 12);
  ASSERT_TRUE(c.rope_scaling);
  EXPECT_EQ(*c.rope_scaling, (RopeScaling{.factor = 40,
                                          .beta_fast = 32,
                                          .beta_slow = 1,
                                          .mscale = 1,
                                          .mscale_all_dim = 1,
                                          .original_max_position_embeddings = 512}));
  EXPECT_EQ(c.intermediate_size, 200);
  EXPECT_FALSE(c.is_moe_layer(2));
  EXPECT_TRUE(c.is_moe_layer(3));
  EXPECT_EQ(c.moe_intermediate_size, 24);
  EXPECT_EQ(c.n_routed_experts, 16);
  EXPECT_EQ(c.n_shared_experts, 1);
  EXPECT_EQ(c.num_experts_per_tok, 4);
  EXPECT_EQ(c.n_group, 4);
  EXPECT_EQ(c.topk_group, 2);
  EXPECT_EQ(c.topk_method, TopkMethod::kNoauxTc);
  EXPECT_EQ(c.scoring_func, ScoringFunc::kSigmoid);
  EXPECT_TRUE(c.norm_topk_prob);
  EXPECT_EQ(c.routed_scaling_factor, 2.5);
  EXPECT_EQ(c.num_nextn_predict_layers, 1);
  EXPECT_EQ(c.cache_layers(), 6);
  EXPECT_TRUE(c.has_fp8_blocks);
  EXPECT_FALSE(c.has_indexer());
  EXPECT_EQ(c.torch_dtype, "bfloat16");
  EXPECT_EQ(c.eos_token_ids, std::vector<int64_t>{1});
}

TEST(Config, ReadsV31AndV32) {
  json::Object config = v3();
  config["quantization_config"].as_object()["scale_fmt"] = "ue8m0";
  EXPECT_EQ(read(config), read(v3()));  // V3.1: the scales' format is of no matter to the reader
  config["architectures"] = json::Array{"DeepseekV32ForCausalLM"};
  config["model_type"] = "deepseek_v32";
  config["index_n_heads"] = 4;
  config["index_head_dim"] = 16;
  config["index_topk"] = 64;
  const ModelConfig c = read(config);
  EXPECT_TRUE(c.has_indexer());
  EXPECT_EQ(c.index_n_heads, 4);
  EXPECT_EQ(c.index_head_dim, 16);
  EXPECT_EQ(c.index_topk, 64);
}

TEST(Config, ReadsV2) {
  json::Object config = v3();
  for (const char* key : {"num_nextn_predict_layers", "quantization_config"}) config.erase(key);
  config["architectures"] = json::Array{"DeepseekV2ForCausalLM"};
  config["model_type"] = "deepseek_v2";
  config["scoring_func"] = "softmax";
  config["topk_method"] = "group_limited_greedy";
  config["norm_topk_prob"] = false;
  config["routed_scaling_factor"] = 16.0;
  config["n_shared_experts"] = 2;
  config["rope_scaling"].as_object()["mscale"] = 0.707;
  config["rope_scaling"].as_object()["mscale_all_dim"] = 0.707;
  const ModelConfig c = read(config);
  EXPECT_EQ(c.scoring_func, ScoringFunc::kSoftmax);
  EXPECT_EQ(c.topk_method, TopkMethod::kGroupLimitedGreedy);
  EXPECT_EQ(c.num_nextn_predict_layers, 0);
  EXPECT_EQ(c.n_shared_experts, 2);
  EXPECT_FALSE(c.has_fp8_blocks);
  EXPECT_EQ(c.rope_scaling->mscale, 0.707);
  EXPECT_FALSE(c.norm_topk_prob);
}

TEST(Config, ReadsV2LiteAndMoonlight) {
  json::Object config = v3();
  for (const char* key : {"num_nextn_predict_layers", "quantization_config"}) config.erase(key);
  config["q_lora_rank"] = nullptr;
  config["n_group"] = config["topk_group"] = 1;
  config["topk_method"] = "gready";  // as V2-Lite was published
  config["scoring_func"] = "softmax";
  config["model_type"] = "deepseek_v2";
  ModelConfig c = read(config);
  EXPECT_FALSE(c.q_lora_rank);
  EXPECT_EQ(c.topk_method, TopkMethod::kGreedy);

  config["model_type"] = "deepseek_v3";  // Moonlight
  config["scoring_func"] = "sigmoid";
  config["topk_method"] = "noaux_tc";
  config["rope_scaling"] = nullptr;
  config["rope_theta"] = 50000.0;
  config["routed_scaling_factor"] = 2.446;
  config["eos_token_id"] = json::Array{638, 639};
  c = read(config);
  EXPECT_FALSE(c.q_lora_rank);
  EXPECT_FALSE(c.rope_scaling);
  EXPECT_EQ(c.rope_theta, 50000);
  EXPECT_EQ(c.eos_token_ids, (std::vector<int64_t>{638, 639}));
}

TEST(Config, ReadsKimiK2) {
  json::Object config = v3();
  config["model_type"] = "kimi_k2";
  config["n_group"] = config["topk_group"] = 1;
  config["first_k_dense_replace"] = 1;
  config["num_nextn_predict_layers"] = 0;
  config["routed_scaling_factor"] = 2.827;
  config["rope_scaling"].as_object()["factor"] = 32.0;
  const ModelConfig c = read(config);
  EXPECT_EQ(c.model_type, "kimi_k2");
  EXPECT_EQ(c.rope_scaling->factor, 32);
  EXPECT_TRUE(c.is_moe_layer(1));
}

TEST(Config, FillsInWhatMayBeMissing) {
  json::Object config = v3();
  for (const char* key : {"architectures",
                          "rope_scaling",
                          "rope_theta",
                          "rms_norm_eps",
                          "tie_word_embeddings",
                          "num_key_value_heads",
                          "moe_layer_freq",
                          "first_k_dense_replace",
                          "n_shared_experts",
                          "n_group",
                          "topk_group",
                          "topk_method",
                          "scoring_func",
                          "norm_topk_prob",
                          "routed_scaling_factor",
                          "num_nextn_predict_layers",
                          "hidden_act",
                          "attention_bias",
                          "torch_dtype",
                          "quantization_config",
                          "bos_token_id",
                          "eos_token_id",
                          "q_lora_rank"}) {
    config.erase(key);
  }
  const ModelConfig c = read(config);
  EXPECT_EQ(c.n_group, 1);
  EXPECT_EQ(c.topk_method, TopkMethod::kGreedy);
  EXPECT_EQ(c.routed_scaling_factor, 1);
  EXPECT_TRUE(c.eos_token_ids.empty());
  config.erase("n_routed_experts");
  EXPECT_FALSE(read(config).is_moe_layer(4)) << "every layer is dense";
}

struct Bad {
  const char* key;   // "a.b": a member of a member
  const char* json;  // empty: the key is removed
  std::vector<std::string> says;
};

std::vector<Bad> bad_fields() {
  std::vector<Bad> bad;
  for (const char* key :
       {"vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings", "num_attention_heads",
        "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "intermediate_size",
        "moe_intermediate_size", "num_experts_per_tok", "rope_scaling.original_max_position_embeddings"}) {
    bad.push_back({key, "", {"lacks"}});
    bad.push_back({key, "null", {"found null", "a whole number"}});
    bad.push_back({key, "0", {"found 0", "expected"}});
    bad.push_back({key, "-1", {"found -1", "expected"}});
    bad.push_back({key, "1.5", {"found 1.5", "a whole number"}});
    bad.push_back({key, "\"64\"", {"found \"64\"", "a whole number"}});
    bad.push_back({key, "[64]", {"an array of 1", "a whole number"}});
    bad.push_back({key, "true", {"found true", "a whole number"}});
    bad.push_back({key, "9223372036854775807", {"found 9223372036854775807", "expected"}});
    bad.push_back({key, "99999999999999999999", {"found", "a whole number"}});
  }
  for (const char* key : {"q_lora_rank", "n_group", "topk_group", "moe_layer_freq"}) {
    bad.push_back({key, "0", {"found 0", "expected"}});
    bad.push_back({key, "\"a\"", {"found \"a\"", "a whole number"}});
    bad.push_back({key, "9223372036854775807", {"found 9223372036854775807", "expected"}});
  }
  for (const char* key : {"n_routed_experts", "n_shared_experts", "first_k_dense_replace", "num_nextn_predict_layers",
                          "index_n_heads", "bos_token_id", "eos_token_id"}) {
    bad.push_back({key, "-1", {"found -1", "expected"}});
    bad.push_back({key, "{}", {"an object", "a whole number"}});
    bad.push_back({key, "2147483647", {"found 2147483647", "expected"}});
  }
  for (const char* key : {"rms_norm_eps", "rope_theta", "routed_scaling_factor", "rope_scaling.factor",
                          "rope_scaling.beta_fast", "rope_scaling.beta_slow"}) {
    bad.push_back({key, "0", {"found 0", "expected"}});
    bad.push_back({key, "-2.5", {"found -2.5", "expected"}});
    bad.push_back({key, "1e300", {"found 1e+300", "expected"}});
    bad.push_back({key, "\"x\"", {"found \"x\"", "a number"}});
  }
  bad.push_back({"rope_theta", "1", {"found 1", "above 1"}});
  bad.push_back({"rope_scaling.mscale", "-1", {"found -1", "expected"}});
  bad.push_back({"rope_scaling.factor", "0.5", {"found 0.5", "expected"}});
  bad.push_back({"rope_scaling.factor", "", {"lacks 'factor'"}});
  bad.push_back({"rope_scaling", "7", {"found 7", "expected an object"}});
  bad.push_back({"rope_scaling.type", "\"linear\"", {"\"linear\"", "yarn"}});
  bad.push_back({"rope_scaling.type", "3", {"found 3", "a string"}});
  bad.push_back({"qk_rope_head_dim", "7", {"found 7", "an even number"}});
  bad.push_back({"n_group", "3", {"found 3", "a divisor of n_routed_experts 16"}});
  bad.push_back({"n_group", "17", {"found 17", "[1, 16]"}});
  bad.push_back({"topk_group", "5", {"found 5", "[1, 4]"}});
  bad.push_back({"num_experts_per_tok", "17", {"found 17", "[1, 16]"}});
  bad.push_back({"num_experts_per_tok", "9", {"found 9", "8 experts of topk_group 2"}});
  bad.push_back({"scoring_func", "\"relu\"", {"\"relu\"", "softmax or sigmoid"}});
  bad.push_back({"scoring_func", "1", {"found 1", "a string"}});
  bad.push_back({"topk_method", "\"best\"", {"\"best\"", "noaux_tc"}});
  bad.push_back({"norm_topk_prob", "1", {"found 1", "true or false"}});
  bad.push_back({"hidden_act", "\"gelu\"", {"\"gelu\"", "silu"}});
  bad.push_back({"attention_bias", "true", {"found true", "false"}});
  bad.push_back({"num_key_value_heads", "2", {"found 2", "num_attention_heads"}});
  bad.push_back({"model_type", "\"llama\"", {"\"llama\"", "deepseek_v3"}});
  bad.push_back({"model_type", "", {"\"\"", "deepseek_v3"}});
  bad.push_back({"model_type", "[]", {"an array of 0", "a string"}});
  bad.push_back({"architectures", "[]", {"an array of 0", "one name"}});
  bad.push_back({"architectures", "[\"GPT2LMHeadModel\"]", {"GPT2LMHeadModel", "DeepseekV3ForCausalLM"}});
  bad.push_back({"architectures", "\"DeepseekV3ForCausalLM\"", {"expected an array"}});
  bad.push_back({"eos_token_id", "[1,\"a\"]", {"eos_token_id[1]", "\"a\"", "a whole number"}});
  bad.push_back({"eos_token_id", "640", {"found 640", "[0, 639]"}});
  bad.push_back({"quantization_config", "[]", {"an array of 0", "expected an object"}});
  bad.push_back({"quantization_config.quant_method", "\"gptq\"", {"gptq", "fp8"}});
  bad.push_back({"quantization_config.fmt", "\"e5m2\"", {"e5m2", "e4m3"}});
  bad.push_back({"quantization_config.weight_block_size", "[64,64]", {"[64,64]", "[128, 128]"}});
  bad.push_back({"quantization_config.weight_block_size", "[128]", {"[128]", "[128, 128]"}});
  bad.push_back({"quantization_config.weight_block_size", "", {"lacks 'weight_block_size'"}});
  return bad;
}

// Sets or removes a member, one level down at most.
void apply(json::Object& config, const Bad& bad) {
  const std::string key = bad.key;
  const size_t dot = key.find('.');
  json::Object& object = dot == std::string::npos ? config : config[key.substr(0, dot)].as_object();
  const std::string member = dot == std::string::npos ? key : key.substr(dot + 1);
  object.erase(member);
  if (*bad.json != '\0') object[member] = json::parse(bad.json, "test");
}

std::string error_text(const json::Object& config) {
  try {
    // Built as well, because a size that is let through must not lead to an allocation that cannot be.
    const Transformer transformer(read(config));
    ADD_FAILURE() << "was read";
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Config, RefusesBadFields) {
  for (const Bad& bad : bad_fields()) {
    json::Object config = v3();
    apply(config, bad);
    const std::string text = error_text(config);
    const std::string key = bad.key;
    EXPECT_TRUE(text.starts_with("config.json: ")) << key << ": " << text;
    EXPECT_NE(text.find(key.substr(key.rfind('.') + 1)), std::string::npos) << key << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    for (const std::string& part : bad.says) {
      EXPECT_NE(text.find(part), std::string::npos) << key << " = " << bad.json << ": " << text << "\nlacks " << part;
    }
  }
}

TEST(Config, RefusesAnIndexerThatDoesNotFit) {
  json::Object config = v3();
  config["index_n_heads"] = 2;
  EXPECT_NE(error_text(config).find("lacks 'index_head_dim'"), std::string::npos);
  config["index_head_dim"] = 4;
  config["index_topk"] = 8;
  EXPECT_NE(error_text(config).find("at least qk_rope_head_dim 8"), std::string::npos);
  config["index_head_dim"] = 8;
  config["q_lora_rank"] = nullptr;
  EXPECT_NE(error_text(config).find("q_lora_rank"), std::string::npos);
}

TEST(Config, RefusesMoreExpertsThanThereCanBe) {
  json::Object config = v3();
  config["num_hidden_layers"] = 4096;
  config["n_routed_experts"] = 65536;
  EXPECT_NE(error_text(config).find("n_routed_experts: found 65536, expected at most 255 in 4097 layers"),
            std::string::npos)
      << error_text(config);
}

TEST(Config, TheLargestSizesDoNotOverflow) {
  json::Object config = v3();
  config["vocab_size"] = 1 << 24;
  config["hidden_size"] = 1 << 20;
  config["num_attention_heads"] = config["num_key_value_heads"] = 1 << 14;
  for (const char* key : {"qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"}) config[key] = 1 << 16;
  for (const char* key : {"q_lora_rank", "kv_lora_rank", "moe_intermediate_size"}) config[key] = 1 << 20;
  config["n_shared_experts"] = 1024;
  config["max_position_embeddings"] = int64_t{1} << 31;
  Transformer transformer(read(config));
  struct Visitor : ParameterVisitor {
    void matrix(const std::string& name, Weight&, int64_t rows, int64_t cols) override {
      EXPECT_TRUE(rows > 0 && cols > 0 && rows < INT64_MAX / cols) << name;
    }
    void vector(const std::string& name, Tensor&, int64_t n) override { EXPECT_GT(n, 0) << name; }
  } visitor;
  transformer.visit(visitor);
}

TEST(Config, RefusesWhatIsNoObject) {
  for (const char* text : {"[]", "3", "null", "\"config\""}) {
    const json::Value value = json::parse(text, "config.json");
    try {
      read_config(json::Reader(value, "config.json"));
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("expected an object"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace fathom::model
