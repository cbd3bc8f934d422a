// One text, whatever computes it: with or without drafts, in any chunks, on any team, with or without a cached prefix.

#include "engine/generator.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/error.h"
#include "engine/random_model.h"

namespace fathom::engine {
namespace {

using Tokens = std::vector<int32_t>;

constexpr int64_t kContext = 200;

Tokens prompt_of(int64_t length, uint64_t seed = 1) {
  const RandomStream random(seed, 0);
  Tokens out;
  for (int64_t i = 0; i < length; ++i) out.push_back(static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) % 7));
  return out;
}

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Tokens head(const Tokens& tokens, size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<int64_t>(count)};
}

struct Answer {
  Tokens tokens;
  GenerateStats stats;
};

Answer answer(Generator& generator, const Tokens& prompt, const GenerateParams& params) {
  Answer out;
  out.stats = generator.generate(prompt, params, [&](int32_t token) {
    out.tokens.push_back(token);
    return true;
  });
  EXPECT_EQ(out.stats.generated_tokens, static_cast<int64_t>(out.tokens.size()));
  EXPECT_EQ(out.stats.prompt_tokens, static_cast<int64_t>(prompt.size()));
  EXPECT_LE(out.stats.accepted_tokens, out.stats.drafted_tokens);
  EXPECT_LE(out.stats.generated_tokens, 1 + out.stats.steps + out.stats.accepted_tokens);
  return out;
}

const SamplingParams kGreedy = {.temperature = 0};
const SamplingParams kSampled = {.temperature = 1, .top_p = 0.95, .frequency_penalty = 0.1, .seed = 5};

struct Case {
  const char* name;
  model::ModelConfig config;
};

std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

class GeneratorTest : public testing::TestWithParam<Case> {
 protected:
  GeneratorTest() : model_(GetParam().config) {}

  Answer fresh(const Tokens& prompt, const GenerateParams& params, int64_t context = kContext) {
    Generator generator(model_.transformer, machine_.ctx, context);
    return answer(generator, prompt, params);
  }
  bool has_mtp() const { return GetParam().config.num_nextn_predict_layers > 0; }

  RandomModel model_;
  ops::Machine machine_{{best_isa(), ops::Compute::kF32}, 1};
};

TEST_P(GeneratorTest, OneTextHoweverComputed) {
  for (const ops::Setting& setting : ops::all_settings()) {
    // The plain kernels are slow: one model stands for all.
    if (setting.isa == Isa::kPlain && best_isa() != Isa::kPlain && std::string(GetParam().name) != "dsa_mtp2") continue;
    for (const SamplingParams& sampling : {kGreedy, kSampled}) {
      ops::Machine one(setting, 1);
      Generator plain(model_.transformer, one.ctx, kContext);
      const Tokens prompt = prompt_of(66);
      const Tokens expected = answer(plain, prompt, {.sampling = sampling, .max_tokens = 24, .use_mtp = false}).tokens;
      ASSERT_EQ(expected.size(), 24U);
      for (const auto& [threads, chunk] : {std::pair<int, int64_t>{1, 1}, {2, 3}, {4, 512}}) {
        ops::Machine machine(setting, threads);
        for (const bool use_mtp : {false, true}) {
          Generator generator(model_.transformer, machine.ctx, kContext);
          const Answer got = answer(
              generator, prompt, {.sampling = sampling, .max_tokens = 24, .use_mtp = use_mtp, .prefill_chunk = chunk});
          ASSERT_EQ(got.tokens, expected)
              << setting << ", " << threads << " threads, chunks of " << chunk << (use_mtp ? ", drafts" : "");
          ASSERT_EQ(got.stats.drafted_tokens > 0, use_mtp && has_mtp());
        }
      }
    }
  }
}

TEST_P(GeneratorTest, ShortPrompts) {
  for (const int64_t length : {1, 2, 3, 4}) {
    for (const SamplingParams& sampling : {kGreedy, kSampled}) {
      const Tokens prompt = prompt_of(length, 3);
      const Answer plain = fresh(prompt, {.sampling = sampling, .max_tokens = 30, .use_mtp = false});
      for (const int64_t chunk : {1, 2, 512}) {
        const Answer got = fresh(prompt, {.sampling = sampling, .max_tokens = 30, .prefill_chunk = chunk});
        ASSERT_EQ(got.tokens, plain.tokens) << length << ", chunks of " << chunk;
      }
    }
  }
}

TEST_P(GeneratorTest, DraftsAreAcceptedAndCounted) {
  if (!has_mtp()) GTEST_SKIP();
  int64_t accepted = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Answer got = fresh(prompt_of(10, seed), {.sampling = kSampled, .max_tokens = 60});
    EXPECT_GT(got.stats.drafted_tokens, 0);
    EXPECT_LE(got.stats.drafted_tokens, got.stats.steps * GetParam().config.num_nextn_predict_layers);
    accepted += got.stats.accepted_tokens;
  }
  EXPECT_GT(accepted, 10) << "too few for the other tests to mean anything";
}

// A draft depends on the text so far alone. So a generator that comes fresh to the middle of a text makes the same
// steps from there on as the one that wrote it, which shows that the modules' caches hold what they should.
TEST_P(GeneratorTest, DraftsDependOnTheTextAlone) {
  if (!has_mtp()) GTEST_SKIP();
  constexpr int64_t kTotal = 50;
  const SamplingParams sampling = {.seed = 9};  // without penalties, which would count from the new beginning
  const Tokens prompt = prompt_of(62);
  const Answer whole = fresh(prompt, {.sampling = sampling, .max_tokens = kTotal});
  int borders = 0;
  for (int64_t m = 2; m < kTotal; ++m) {
    const Answer part = fresh(prompt, {.sampling = sampling, .max_tokens = m});
    if (1 + part.stats.steps + part.stats.accepted_tokens != m) continue;  // ended within a step's tokens
    ++borders;
    const Tokens middle = joined(prompt, head(whole.tokens, static_cast<size_t>(m - 1)));
    const GenerateParams rest{.sampling = sampling, .max_tokens = kTotal - m + 1, .prefill_chunk = 5};
    const Answer late = fresh(middle, rest);
    ASSERT_EQ(part.stats.steps + late.stats.steps, whole.stats.steps) << "from token " << m;
    ASSERT_EQ(part.stats.accepted_tokens + late.stats.accepted_tokens, whole.stats.accepted_tokens);
    ASSERT_EQ(joined(head(whole.tokens, static_cast<size_t>(m - 1)), late.tokens), whole.tokens);
  }
  EXPECT_GT(borders, 5);
}

// A conversation: each turn goes on where the last one ended, or leaves it somewhere.
TEST_P(GeneratorTest, CachedPrefixesChangeNothing) {
  for (const bool use_mtp : {false, true}) {
    Generator generator(model_.transformer, machine_.ctx, kContext);
    const GenerateParams params{.sampling = kSampled, .max_tokens = 20, .use_mtp = use_mtp, .prefill_chunk = 16};
    Tokens prompt = prompt_of(50);
    const auto turn = [&](const char* what, int64_t least_cached) {
      const Answer got = answer(generator, prompt, params);
      const Answer expected = fresh(prompt, params);
      ASSERT_EQ(got.tokens, expected.tokens) << what << (use_mtp ? ", drafts" : "");
      ASSERT_EQ(got.stats.steps, expected.stats.steps) << what;
      ASSERT_EQ(got.stats.accepted_tokens, expected.stats.accepted_tokens) << what;
      ASSERT_GE(got.stats.cached_tokens, least_cached) << what;
      ASSERT_LT(got.stats.cached_tokens, static_cast<int64_t>(prompt.size()));
      prompt = joined(prompt, got.tokens);
    };
    turn("first", 0);
    turn("the answer as it was", 50 + 20 - 5);
    prompt = joined(prompt, prompt_of(9, 2));
    turn("a second question", 90 - 5);
    prompt.resize(30);
    turn("shorter", 29 - 5);
    prompt[10] = (prompt[10] + 1) % 7;
    turn("another in the middle", 10 - 5);
    for (size_t i = 0; i < 8; ++i) {
      prompt.resize(40);
      prompt[39 - i] = (prompt[39 - i] + 1) % 7;
      turn("another near the end", 39 - static_cast<int64_t>(i) - 5);
    }
    prompt[0] = (prompt[0] + 1) % 7;
    turn("another from the start", 0);
    prompt.resize(1);
    turn("a single token", 0);
  }
}

TEST_P(GeneratorTest, DraftingMayBeTurnedOnAndOffBetweenCalls) {
  Generator generator(model_.transformer, machine_.ctx, kContext);
  Tokens prompt = prompt_of(40);
  for (const bool use_mtp : {true, false, true, true, false, false, true}) {
    const GenerateParams params{.sampling = kGreedy, .max_tokens = 11, .use_mtp = use_mtp};
    const Answer got = answer(generator, prompt, params);
    const Answer expected = fresh(prompt, params);
    ASSERT_EQ(got.tokens, expected.tokens);
    ASSERT_EQ(got.stats.accepted_tokens, expected.stats.accepted_tokens);
    prompt = joined(prompt, got.tokens);
  }
}

TEST_P(GeneratorTest, StopTokensEndTheTextAnywhere) {
  for (const bool use_mtp : {false, true}) {
    const Tokens prompt = prompt_of(30);
    const GenerateParams open{.sampling = kSampled, .max_tokens = 40, .use_mtp = use_mtp};
    const Tokens all = fresh(prompt, open).tokens;
    for (int32_t stop = 0; stop < 7; ++stop) {
      GenerateParams params = open;
      params.stop_tokens = {-1, stop};
      Generator generator(model_.transformer, machine_.ctx, kContext);
      const Answer got = answer(generator, prompt, params);
      const auto at = std::find(all.begin(), all.end(), stop);
      ASSERT_EQ(got.tokens, Tokens(all.begin(), at)) << stop;
      ASSERT_EQ(got.stats.finish_reason, at == all.end() ? FinishReason::kLength : FinishReason::kStop);
      // What lies in the cache behind the stop is no part of the text.
      const Tokens next = joined(joined(prompt, got.tokens), prompt_of(3, 8));
      ASSERT_EQ(answer(generator, next, open).tokens, fresh(next, open).tokens);
    }
  }
}

TEST_P(GeneratorTest, MaxTokens) {
  const Tokens prompt = prompt_of(20);
  const Tokens all = fresh(prompt, {.sampling = kGreedy, .max_tokens = 12, .use_mtp = false}).tokens;
  for (const int64_t count : {0, 1, 2, 3, 4, 5, 11}) {
    const Answer got = fresh(prompt, {.sampling = kGreedy, .max_tokens = count});
    ASSERT_EQ(got.tokens, head(all, static_cast<size_t>(count)));
    ASSERT_EQ(got.stats.finish_reason, FinishReason::kLength);
  }
}

TEST_P(GeneratorTest, FillsTheContextToTheLastToken) {
  for (const int64_t context : {61, 63, 64, 65, 66, 129}) {
    const Tokens prompt = prompt_of(50);
    const Answer plain = fresh(prompt, {.sampling = kSampled, .max_tokens = 500, .use_mtp = false}, context);
    EXPECT_EQ(plain.stats.finish_reason, FinishReason::kLength);
    EXPECT_EQ(static_cast<int64_t>(plain.tokens.size()), context - 50);
    EXPECT_EQ(fresh(prompt, {.sampling = kSampled, .max_tokens = 500}, context).tokens, plain.tokens);
  }
  EXPECT_EQ(fresh(prompt_of(5), {}, 6).tokens.size(), 1U);
}

TEST_P(GeneratorTest, TheCallerMayCancel) {
  const Tokens prompt = prompt_of(20);
  const GenerateParams params{.sampling = kSampled, .max_tokens = 30};
  const Tokens all = fresh(prompt, params).tokens;
  for (const size_t count : {1U, 2U, 5U}) {
    Generator generator(model_.transformer, machine_.ctx, kContext);
    Tokens heard;
    const GenerateStats stats = generator.generate(prompt, params, [&](int32_t token) {
      heard.push_back(token);
      return heard.size() < count;
    });
    EXPECT_EQ(heard, head(all, count));
    EXPECT_EQ(stats.finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(answer(generator, prompt, params).tokens, all) << "after a cancelled call";
  }
}

TEST_P(GeneratorTest, ExceptionsOfTheCallerLeaveAWorkingGenerator) {
  Generator generator(model_.transformer, machine_.ctx, kContext);
  const Tokens prompt = prompt_of(40);
  const GenerateParams params{.sampling = kSampled, .max_tokens = 15, .prefill_chunk = 8};
  const auto fine = [](int32_t) { return true; };
  for (const int64_t at : {8, 24, 40}) {
    EXPECT_THROW(generator.generate(prompt, params, fine,
                                    [&](int64_t done) {
                                      if (done >= at) throw std::runtime_error("prefill");
                                    }),
                 std::runtime_error);
    int64_t heard = 0;
    EXPECT_THROW(generator.generate(prompt, params,
                                    [&](int32_t) -> bool {
                                      if (++heard == at / 8) throw std::runtime_error("token");
                                      return true;
                                    }),
                 std::runtime_error);
  }
  const Answer got = answer(generator, prompt, params);
  const Answer expected = fresh(prompt, params);
  EXPECT_EQ(got.tokens, expected.tokens);
  EXPECT_EQ(got.stats.accepted_tokens, expected.stats.accepted_tokens);
}

TEST_P(GeneratorTest, HearsOfThePrompt) {
  Generator generator(model_.transformer, machine_.ctx, kContext);
  std::vector<int64_t> done;
  generator.generate(
      prompt_of(10), {.max_tokens = 1, .prefill_chunk = 4}, [](int32_t) { return true; },
      [&](int64_t tokens) { done.push_back(tokens); });
  EXPECT_EQ(done, (std::vector<int64_t>{4, 8, 10}));
}

TEST_P(GeneratorTest, RefusesBadPrompts) {
  Generator generator(model_.transformer, machine_.ctx, 64);
  const Tokens good = prompt_of(63);
  EXPECT_EQ(answer(generator, good, {}).tokens.size(), 1U);
  const Tokens bad[] = {{}, prompt_of(64), prompt_of(100), {-1}, {0, 7}, {0, 2147483647, 1}};
  for (const Tokens& prompt : bad) {
    try {
      answer(generator, prompt, {});
      ADD_FAILURE() << "a prompt of " << prompt.size() << " passed";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(e.where(), "prompt");
    }
  }
  EXPECT_THROW(answer(generator, good, {.sampling = {.temperature = 9}}), Error);
  EXPECT_EQ(answer(generator, good, {}).tokens.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Models, GeneratorTest,
                         testing::Values(Case{"plain", small_config()}, Case{"v2_lite", small_v2_lite()},
                                         Case{"mtp1", with_mtp(small_config(), 1)},
                                         Case{"mtp2", with_mtp(small_config(), 2)},
                                         Case{"mtp3", with_mtp(small_config(), 3)},
                                         Case{"dsa", with_indexer(small_config())},
                                         Case{"dsa_mtp2", with_mtp(with_indexer(small_config()), 2)}),
                         case_name);

}  // namespace
}  // namespace fathom::engine
