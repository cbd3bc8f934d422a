#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace fathom::engine {
namespace {

std::vector<float> random_logits(size_t count, uint64_t seed, double deviation) {
  const RandomStream random(seed, 0);
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(random.normal(i) * deviation);
  return out;
}

// Which tokens ever come out.
std::set<int32_t> support(SamplingParams params, const std::vector<float>& logits, const TokenCounts& counts = {}) {
  std::set<int32_t> out;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    params.seed = seed;
    out.insert(Sampler(params).choose(logits, counts, 5));
  }
  return out;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += p.emplace_back(std::exp(logit / temperature));
  for (double& value : p) value /= sum;
  return p;
}

const std::vector<float> kFive = {std::log(0.1F), std::log(0.4F), std::log(0.05F), std::log(0.25F), std::log(0.2F)};

TEST(Sampler, GreedyTakesTheLargestAndTheLowestIdOnATie) {
  Sampler greedy({.temperature = 0});
  EXPECT_EQ(greedy.choose(kFive, {}, 0), 1);
  EXPECT_EQ(greedy.choose(std::vector<float>{1, 3, 3, 2, 3}, {}, 0), 1);
  EXPECT_EQ(greedy.choose(std::vector<float>{-2, -1, -1}, {}, 0), 1);
  EXPECT_EQ(greedy.choose(std::vector<float>{5}, {}, 9), 0);
}

TEST(Sampler, TopK) {
  EXPECT_EQ(support({.top_k = 1}, kFive), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.top_k = 3}, kFive), (std::set<int32_t>{1, 3, 4}));
  EXPECT_EQ(support({.top_k = 5}, kFive).size(), 5U);
  EXPECT_EQ(support({.top_k = 100}, kFive).size(), 5U);
  EXPECT_EQ(support({.top_k = 2}, std::vector<float>{1, 1, 1, 1}), (std::set<int32_t>{0, 1})) << "ties";
}

TEST(Sampler, TopP) {
  EXPECT_EQ(support({.top_p = 0.01}, kFive), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.top_p = 0.39}, kFive), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.top_p = 0.64}, kFive), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support({.top_p = 0.66}, kFive), (std::set<int32_t>{1, 3, 4}));
  EXPECT_EQ(support({.top_p = 0.999}, kFive).size(), 5U);
  EXPECT_EQ(support({.top_p = 0.7}, std::vector<float>(10, 0.5F)), (std::set<int32_t>{0, 1, 2, 3, 4, 5, 6})) << "ties";
}

// A long tail, each token of it too unlikely to be needed, counts in the whole all the same: 0.82 alone is below 0.9.
TEST(Sampler, TopPCountsTheTail) {
  std::vector<float> logits(10002, std::log(0.09F / 10000));
  logits[7] = std::log(0.82F);
  logits[9] = std::log(0.09F);
  EXPECT_EQ(support({.top_p = 0.9}, logits), (std::set<int32_t>{7, 9}));
}

TEST(Sampler, TopPIsTakenOfWhatTopKLeft) {
  // 0.4 of 0.65 is 0.615.
  EXPECT_EQ(support({.top_p = 0.6, .top_k = 2}, kFive), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.top_p = 0.63, .top_k = 2}, kFive), (std::set<int32_t>{1, 3}));
}

TEST(Sampler, MinP) {
  EXPECT_EQ(support({.min_p = 1}, kFive), (std::set<int32_t>{1}));
  EXPECT_EQ(support({.min_p = 0.6}, kFive), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support({.min_p = 0.2}, kFive), (std::set<int32_t>{0, 1, 3, 4}));
  // After top_p, whose whole is not what min_p leaves: 0.4 + 0.25 + 0.2 reach 0.8, of which 0.2 goes again.
  EXPECT_EQ(support({.top_p = 0.8, .min_p = 0.55}, kFive), (std::set<int32_t>{1, 3}));
}

TEST(Sampler, Penalties) {
  const TokenCounts counts = {{1, 3}, {3, 1}};
  EXPECT_EQ(Sampler({.temperature = 0, .presence_penalty = 2}).choose(kFive, counts, 0), 4);
  EXPECT_EQ(Sampler({.temperature = 0, .frequency_penalty = 0.1}).choose(kFive, {{1, 3}}, 0), 1) << "0.3 off";
  EXPECT_EQ(Sampler({.temperature = 0, .frequency_penalty = 0.2}).choose(kFive, {{1, 3}}, 0), 3) << "0.6 off";
  EXPECT_EQ(Sampler({.temperature = 0, .frequency_penalty = -2}).choose(kFive, {{2, 2}}, 0), 2);
  EXPECT_EQ(Sampler({.temperature = 0, .presence_penalty = 2}).choose(kFive, {}, 0), 1);
  EXPECT_EQ(support({.top_k = 1, .presence_penalty = 2}, kFive, counts), (std::set<int32_t>{4}));
}

TEST(Sampler, RefusesValuesOutOfRange) {
  const auto refuses = [](const SamplingParams& params, const std::string& name) {
    try {
      params.validate();
    } catch (const Error& e) {
      return e.code() == ErrorCode::kInvalidArgument && e.where() == name;
    }
    return false;
  };
  for (const double bad : {-0.1, 2.1, std::nan(""), HUGE_VAL})
    EXPECT_TRUE(refuses({.temperature = bad}, "temperature"));
  for (const double bad : {-0.1, 0.0, 1.1, std::nan("")}) EXPECT_TRUE(refuses({.top_p = bad}, "top_p"));
  for (const double bad : {-0.1, 1.1, std::nan("")}) EXPECT_TRUE(refuses({.min_p = bad}, "min_p"));
  for (const double bad : {-2.1, 2.1, std::nan("")}) {
    EXPECT_TRUE(refuses({.frequency_penalty = bad}, "frequency_penalty"));
    EXPECT_TRUE(refuses({.presence_penalty = bad}, "presence_penalty"));
  }
  EXPECT_TRUE(refuses({.top_k = -1}, "top_k"));
  EXPECT_THROW(Sampler({.temperature = 3}), Error);
  SamplingParams().validate();
  SamplingParams{
      .temperature = 2, .top_p = 1e-9, .top_k = 1, .min_p = 1, .frequency_penalty = -2, .presence_penalty = 2}
      .validate();
}

double chi_square(const std::vector<double>& p, const std::vector<int>& seen, int draws) {
  double chi = 0;
  for (size_t i = 0; i < p.size(); ++i) chi += std::pow(seen[i] - p[i] * draws, 2) / (p[i] * draws);
  return chi;
}

// Over seeds at one place, and over places with one seed.
TEST(Sampler, DrawsFromTheSoftmax) {
  const auto logits = random_logits(12, 4, 1);
  for (const double temperature : {0.5, 1.0, 1.7}) {
    const auto p = softmax(logits, temperature);
    for (const bool by_index : {false, true}) {
      constexpr int kDraws = 20000;
      std::vector<int> seen(p.size(), 0);
      for (int i = 0; i < kDraws; ++i) {
        Sampler sampler({.temperature = temperature, .seed = by_index ? 3U : static_cast<uint64_t>(i)});
        ++seen[static_cast<size_t>(sampler.choose(logits, {}, by_index ? i : 3))];
      }
      EXPECT_LT(chi_square(p, seen, kDraws), 31.3) << "11 degrees of freedom, p = 0.001; temperature " << temperature;
    }
  }
}

TEST(Sampler, DrawsFromTheRenormalisedRest) {
  constexpr int kDraws = 20000;
  std::vector<int> seen(5, 0);
  for (int i = 0; i < kDraws; ++i) ++seen[static_cast<size_t>(Sampler({.top_k = 3}).choose(kFive, {}, i))];
  const std::vector<double> p = {0.4 / 0.85, 0.25 / 0.85, 0.2 / 0.85};
  EXPECT_LT(chi_square(p, {seen[1], seen[3], seen[4]}, kDraws), 13.8) << "2 degrees of freedom, p = 0.001";
}

// The shortcut for draws that cannot win must not change who wins.
TEST(Sampler, IsTheGumbelMaxRule) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto logits = random_logits(2000, seed, seed % 2 == 0 ? 1 : 12);
    const float max = *std::max_element(logits.begin(), logits.end());
    const RandomStream noise(seed, 8);
    size_t best = 0;
    double best_value = -INFINITY;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double value =
          static_cast<float>(static_cast<double>(logits[i]) - max) - std::log(-std::log(noise.uniform(i)));
      if (value > best_value) {
        best_value = value;
        best = i;
      }
    }
    ASSERT_EQ(Sampler({.seed = seed}).choose(logits, {}, 8), static_cast<int32_t>(best)) << seed;
  }
}

TEST(Sampler, SameSeedSameToken) {
  const auto logits = random_logits(500, 1, 2);
  Sampler a({.top_p = 0.9, .seed = 42});
  Sampler b({.top_p = 0.9, .seed = 42});
  std::set<int32_t> tokens;
  for (int64_t i = 0; i < 50; ++i) {
    const int32_t token = a.choose(logits, {}, i);
    EXPECT_EQ(b.choose(logits, {}, i), token);
    EXPECT_EQ(b.choose(logits, {}, i), token) << "nothing is drawn from a stream";
    tokens.insert(token);
  }
  EXPECT_GT(tokens.size(), 5U) << "places differ";
}

TEST(Sampler, SurvivesNanAndInfinity) {
  const SamplingParams all[] = {{.temperature = 0}, {},
                                {.top_p = 0.5},     {.top_k = 2},
                                {.min_p = 0.5},     {.top_p = 0.9, .top_k = 3, .min_p = 0.01, .presence_penalty = 1}};
  for (const SamplingParams& params : all) {
    const auto choose = [&](const std::vector<float>& logits) { return Sampler(params).choose(logits, {{0, 1}}, 3); };
    EXPECT_EQ(choose({NAN, -INFINITY, 1, NAN}), 2);
    EXPECT_EQ(choose({1, INFINITY, 2, INFINITY}), 1);
    EXPECT_EQ(choose({NAN, NAN}), 0);
    EXPECT_EQ(choose({-INFINITY, -INFINITY}), 0);
    EXPECT_EQ(choose({-3e38F, 3e38F, 0}), 1);
  }
}

TEST(Sampler, TinyTemperatureIsGreedy) {
  for (const double temperature : {1e-3, 1e-8, 1e-40, 1e-300, 5e-324}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Sampler sampler({.temperature = temperature, .top_p = 0.95, .seed = seed});
      ASSERT_EQ(sampler.choose(std::vector<float>{1, 2, 30, 4, 29}, {}, 0), 2) << temperature;
      ASSERT_EQ(sampler.choose(std::vector<float>{-9, -2, -30}, {}, 0), 1) << temperature;
    }
  }
}

}  // namespace
}  // namespace fathom::engine
