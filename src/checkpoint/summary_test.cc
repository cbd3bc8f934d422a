// The numbers of published models follow from their shapes.

#include "checkpoint/summary.h"

#include "checkpoint/test_support.h"

namespace fathom::checkpoint {
namespace {

model::ModelConfig v3() {
  model::ModelConfig c;
  c.model_type = "deepseek_v3";
  c.vocab_size = 129280;
  c.hidden_size = 7168;
  c.num_hidden_layers = 61;
  c.num_attention_heads = 128;
  c.q_lora_rank = 1536;
  c.kv_lora_rank = 512;
  c.qk_nope_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.v_head_dim = 128;
  c.intermediate_size = 18432;
  c.first_k_dense_replace = 3;
  c.moe_intermediate_size = 2048;
  c.n_routed_experts = 256;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 8;
  c.n_group = 8;
  c.topk_group = 4;
  c.topk_method = model::TopkMethod::kNoauxTc;
  c.scoring_func = model::ScoringFunc::kSigmoid;
  c.num_nextn_predict_layers = 1;
  c.torch_dtype = "bfloat16";
  c.has_fp8_blocks = true;
  return c;
}

TEST(Summary, OfV3IsAsItsReportSays) {
  const Summary s = summarize(v3());
  EXPECT_NEAR(static_cast<double>(s.parameters), 671e9, 1e9);
  EXPECT_NEAR(static_cast<double>(s.active_parameters + s.embedding_parameters), 37e9, 1e9);
  EXPECT_EQ(s.embedding_parameters, 2 * int64_t{129280} * 7168);
  EXPECT_NEAR(static_cast<double>(s.mtp_parameters), 14e9,
              1e9);  // 11.5 of its own, and the copies of embedding and head
  EXPECT_EQ(s.cache_bytes_per_token, 61 * 576 * 2);
  EXPECT_EQ(s.plain_cache_bytes_per_token, 61 * 128 * (192 + 128) * 2);
  EXPECT_GT(s.bytes_of.at("F8_E4M3"), 600'000'000'000);
  EXPECT_NEAR(s.bytes_per_token, 37e9, 2e9);
}

TEST(Summary, OfV32CountsTheIndexer) {
  model::ModelConfig config = v3();
  config.index_n_heads = 64;
  config.index_head_dim = 128;
  config.index_topk = 2048;
  EXPECT_EQ(summarize(config).cache_bytes_per_token, 61 * (576 * 2 + 128 * 4));
  EXPECT_GT(summarize(config).parameters, summarize(v3()).parameters);
}

TEST(Summary, OfAModelOfDenseLayersAlone) {
  model::ModelConfig config = v3();
  config.n_routed_experts = 0;
  config.num_nextn_predict_layers = 0;
  const Summary s = summarize(config);
  EXPECT_EQ(s.active_parameters + s.embedding_parameters, s.parameters);
  EXPECT_EQ(s.mtp_parameters, 0);
}

TEST(Summary, OfACheckpointCountsWhatItsShardsHold) {
  const auto checkpoint = Checkpoint::open("models/tiny");
  const Summary s = summarize(checkpoint);
  int64_t bytes = 0;
  for (const auto& [type, size] : s.bytes_of) bytes += size;
  const auto file = static_cast<int64_t>(std::filesystem::file_size("models/tiny/model-00001-of-00001.safetensors"));
  EXPECT_LT(bytes, file);
  EXPECT_GT(bytes, file - 65536) << "all but the header";
  EXPECT_EQ(s.parameters + s.mtp_parameters,
            summarize(checkpoint->config()).parameters + summarize(checkpoint->config()).mtp_parameters);
}

}  // namespace
}  // namespace fathom::checkpoint
