#include "engine/inspect_forward.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/generator.h"
#include "engine/random_model.h"

namespace fathom::engine {
namespace {

std::vector<int32_t> prompt_of(int64_t length) {
  const RandomStream random(4, 0);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < length; ++i) out.push_back(static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) % 7));
  return out;
}

model::ModelConfig full_config() { return with_mtp(with_indexer(small_config()), 1); }

TEST(InspectForward, ShapesAndNames) {
  const RandomModel model(full_config());
  ops::Machine machine({best_isa(), ops::Compute::kF32}, 2);
  const auto out = inspect_forward(model.transformer, machine.ctx, prompt_of(70), {.greedy_tokens = 4});
  const std::map<std::string, Shape> expected = {{"tokens", {70}},
                                                 {"logits", {70, 7}},
                                                 {"hidden.0", {70, 24}},
                                                 {"hidden.1", {70, 24}},
                                                 {"hidden.2", {70, 24}},
                                                 {"final_norm", {70, 24}},
                                                 {"layers.1.topk_ids", {70, 2}},
                                                 {"layers.1.topk_weights", {70, 2}},
                                                 {"layers.0.index_scores", {70, 70}},
                                                 {"layers.1.index_topk", {70, 9}},
                                                 {"greedy", {4}},
                                                 {"greedy_logits", {4, 7}},
                                                 {"mtp.tokens", {70}},
                                                 {"mtp.logits", {70, 7}},
                                                 {"mtp.hidden", {70, 24}},
                                                 {"mtp.topk_ids", {70, 2}},
                                                 {"mtp.logits_prenorm_hidden", {70, 7}},
                                                 {"mtp.logits_position0_zeroed", {70, 7}}};
  for (const auto& [name, shape] : expected) {
    ASSERT_TRUE(out.contains(name)) << name;
    EXPECT_EQ(out.at(name).shape(), shape) << name;
  }
  EXPECT_FALSE(out.contains("layers.0.topk_ids")) << "the first layer is dense";
  const auto prompt = prompt_of(70);
  for (int64_t i = 0; i + 1 < 70; ++i) EXPECT_EQ(out.at("mtp.tokens").i32()[i], prompt[static_cast<size_t>(i + 1)]);
  EXPECT_EQ(out.at("mtp.tokens").i32()[69], out.at("greedy").i32()[0]);
  EXPECT_EQ(machine.ctx.probe, nullptr);
}

TEST(InspectForward, ChunksChangeNothing) {
  for (const auto& config : {full_config(), small_v2_lite()}) {
    const RandomModel model(config);
    for (const ops::Compute compute : {ops::Compute::kF32, ops::Compute::kBF16}) {
      ops::Machine machine({best_isa(), compute}, 2);
      const auto whole = inspect_forward(model.transformer, machine.ctx, prompt_of(70), {});
      for (const int64_t chunk : {1, 9, 64, 100}) {
        const auto cut = inspect_forward(model.transformer, machine.ctx, prompt_of(70), {.chunk = chunk});
        ASSERT_EQ(cut.size(), whole.size());
        for (const auto& [name, value] : whole) {
          ASSERT_TRUE(cut.contains(name)) << name;
          ASSERT_TRUE(ops::same_bits(cut.at(name), value)) << name << ", chunks of " << chunk;
        }
      }
    }
  }
}

TEST(InspectForward, GreedyIsWhatTheGeneratorWrites) {
  const RandomModel model(full_config());
  ops::Machine machine({best_isa(), ops::Compute::kBF16}, 2);
  const auto out = inspect_forward(model.transformer, machine.ctx, prompt_of(30), {.greedy_tokens = 12});
  Generator generator(model.transformer, machine.ctx, 100);
  std::vector<int32_t> tokens;
  generator.generate(prompt_of(30), {.sampling = {.temperature = 0}, .max_tokens = 12}, [&](int32_t token) {
    tokens.push_back(token);
    return true;
  });
  EXPECT_EQ(tokens, std::vector<int32_t>(out.at("greedy").i32(), out.at("greedy").i32() + 12));
}

TEST(InspectForward, WithoutContinuation) {
  const RandomModel model(full_config());
  ops::Machine machine({best_isa(), ops::Compute::kF32}, 1);
  const auto out =
      inspect_forward(model.transformer, machine.ctx, prompt_of(64), {.greedy_tokens = 0, .is_alternative_mtp = false});
  EXPECT_FALSE(out.contains("greedy"));
  EXPECT_FALSE(out.contains("mtp.logits_prenorm_hidden"));
  EXPECT_TRUE(out.contains("mtp.logits"));
}

TEST(InspectForward, RefusesBadTokens) {
  const RandomModel model(small_config());
  ops::Machine machine({best_isa(), ops::Compute::kF32}, 1);
  const std::vector<int32_t> bad[] = {{}, {0, -1}, {7}, prompt_of(285)};
  for (const auto& tokens : bad) {
    try {
      inspect_forward(model.transformer, machine.ctx, tokens, {});
      ADD_FAILURE() << tokens.size() << " tokens passed";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_EQ(inspect_forward(model.transformer, machine.ctx, prompt_of(284), {}).at("greedy").count(), 16);
}

}  // namespace
}  // namespace fathom::engine
