#include "ops/moe_route.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

constexpr Setting kSetting = {Isa::kPlain, Compute::kF32};

struct Choice {
  std::vector<int32_t> ids;
  std::vector<double> weights;
};

// The definition, in double, token by token.
Choice choose(const float* logits, const float* bias, int64_t experts, const RouteParams& p) {
  std::vector<double> score(static_cast<size_t>(experts));
  double sum = 0;
  for (size_t e = 0; e < score.size(); ++e) {
    score[e] =
        p.sigmoid ? 1 / (1 + std::exp(-static_cast<double>(logits[e]))) : std::exp(static_cast<double>(logits[e]));
    sum += score[e];
  }
  std::vector<double> biased(score.size());
  for (size_t e = 0; e < score.size(); ++e) {
    if (!p.sigmoid) score[e] /= sum;
    biased[e] = score[e] + (bias == nullptr ? 0.0 : static_cast<double>(bias[e]));
  }
  const auto ranked = [](const std::vector<double>& values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    return order;
  };
  std::vector<bool> open(score.size(), true);
  if (p.group_limited) {
    const size_t size = score.size() / static_cast<size_t>(p.groups);
    std::vector<double> groups;
    for (size_t g = 0; g < static_cast<size_t>(p.groups); ++g) {
      std::vector<double> members(biased.begin() + static_cast<int64_t>(g * size),
                                  biased.begin() + static_cast<int64_t>((g + 1) * size));
      std::sort(members.rbegin(), members.rend());
      groups.push_back(p.group_score_experts == 2 ? members[0] + members[1] : members[0]);
    }
    const auto order = ranked(groups);
    for (size_t i = static_cast<size_t>(p.groups_per_token); i < order.size(); ++i) {
      for (size_t e = 0; e < size; ++e) open[order[i] * size + e] = false;
    }
  }
  Choice out;
  double chosen = 0;
  for (const size_t e : ranked(biased)) {
    if (!open[e] || static_cast<int64_t>(out.ids.size()) == p.experts_per_token) continue;
    out.ids.push_back(static_cast<int32_t>(e));
    out.weights.push_back(score[e]);
    chosen += score[e];
  }
  for (double& w : out.weights) w *= p.scale / (p.normalise ? chosen : 1.0);
  return out;
}

void check(const RouteParams& p, int64_t experts, bool has_bias) {
  const Tensor bias = has_bias ? random_tensor({experts}, 9, 0.3) : Tensor();
  for (const int64_t tokens : {1, 3, 40}) {
    const Tensor logits = random_tensor({tokens, experts}, static_cast<uint64_t>(tokens), 1.5);
    Machine one(kSetting, 1);
    const Routing got = moe_route(one.ctx, logits, bias, p);
    ASSERT_EQ(got.ids_TK.shape(), (Shape{tokens, p.experts_per_token}));
    for (int64_t t = 0; t < tokens; ++t) {
      const Choice expected = choose(logits.row(t), has_bias ? bias.f32() : nullptr, experts, p);
      for (int64_t k = 0; k < p.experts_per_token; ++k) {
        ASSERT_EQ(got.ids_TK.i32()[t * p.experts_per_token + k], expected.ids[static_cast<size_t>(k)]);
        const double weight = expected.weights[static_cast<size_t>(k)];
        ASSERT_NEAR(got.weights_TK.row(t)[k], weight, 1e-6 * weight);
      }
    }
    for (const int threads : {2, 4}) {
      Machine many(kSetting, threads);
      const Routing again = moe_route(many.ctx, logits, bias, p);
      EXPECT_TRUE(same_bits(again.ids_TK, got.ids_TK));
      EXPECT_TRUE(same_bits(again.weights_TK, got.weights_TK));
    }
  }
}

TEST(MoeRoute, SoftmaxGreedyAsV2Lite) { check({.experts_per_token = 6}, 64, false); }

TEST(MoeRoute, GroupLimitedGreedyAsV2) {
  check({.experts_per_token = 6, .groups = 8, .groups_per_token = 3, .group_limited = true, .scale = 16}, 160, false);
}

TEST(MoeRoute, NoauxTcAsV3) {
  check({.experts_per_token = 8,
         .groups = 8,
         .groups_per_token = 4,
         .sigmoid = true,
         .group_limited = true,
         .group_score_experts = 2,
         .normalise = true,
         .scale = 2.5},
        256, true);
}

TEST(MoeRoute, NoauxTcWithOneGroup) {
  check({.experts_per_token = 4, .sigmoid = true, .group_limited = true, .group_score_experts = 2, .normalise = true},
        16, true);
}

TEST(MoeRoute, EveryExpertOfOneGroup) {
  check({.experts_per_token = 4,
         .groups = 4,
         .groups_per_token = 1,
         .sigmoid = true,
         .group_limited = true,
         .group_score_experts = 2},
        16, true);
  check({.experts_per_token = 5, .normalise = true}, 5, false);
  check({.experts_per_token = 1}, 1, false);
}

// The best expert stands in a group that two good ones beat.
TEST(MoeRoute, GroupScoreIsTheSumOfTwo) {
  Machine machine(kSetting);
  const Tensor logits = Tensor::of({1, 4}, std::vector<float>{3, -5, 1, 1});
  RouteParams p{.experts_per_token = 1,
                .groups = 2,
                .groups_per_token = 1,
                .sigmoid = true,
                .group_limited = true,
                .group_score_experts = 2};
  EXPECT_EQ(moe_route(machine.ctx, logits, Tensor(), p).ids_TK.i32()[0], 2);
  p.group_score_experts = 1;
  EXPECT_EQ(moe_route(machine.ctx, logits, Tensor(), p).ids_TK.i32()[0], 0);
}

TEST(MoeRoute, BiasChoosesButDoesNotWeigh) {
  Machine machine(kSetting);
  const Tensor logits = Tensor::of({1, 3}, std::vector<float>{2, 1, 0});
  const Tensor bias = Tensor::of({3}, std::vector<float>{-10, 0, 0.5});
  const Routing r = moe_route(machine.ctx, logits, bias, {.experts_per_token = 2, .sigmoid = true});
  EXPECT_EQ(r.ids_TK.i32()[0], 2);
  EXPECT_EQ(r.ids_TK.i32()[1], 1);
  EXPECT_NEAR(r.weights_TK.f32()[0], 0.5, 1e-6);
  EXPECT_NEAR(r.weights_TK.f32()[1], 1 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(MoeRoute, TiesGoToTheLowerId) {
  Machine machine(kSetting);
  for (const float value : {0.0F, 100.0F, -INFINITY}) {  // 100: every score is one
    const Tensor logits = Tensor::of({1, 8}, std::vector<float>(8, value));
    const Routing r =
        moe_route(machine.ctx, logits, Tensor(),
                  {.experts_per_token = 3, .groups = 4, .groups_per_token = 2, .sigmoid = true, .group_limited = true});
    for (int32_t k = 0; k < 3; ++k) EXPECT_EQ(r.ids_TK.i32()[k], k) << value;
  }
}

// Broken activations may give any choice, but one that the experts' kernels can use.
TEST(MoeRoute, SurvivesNan) {
  Machine machine(kSetting);
  for (const bool sigmoid : {false, true}) {
    const Tensor logits = random_tensor({64, 32}, 3);
    for (int64_t i = 0; i < logits.count(); i += 3) logits.f32()[i] = i % 2 == 0 ? NAN : INFINITY;
    const Routing r = moe_route(machine.ctx, logits, Tensor(),
                                {.experts_per_token = 6,
                                 .groups = 4,
                                 .groups_per_token = 2,
                                 .sigmoid = sigmoid,
                                 .group_limited = true,
                                 .group_score_experts = 2});
    for (int64_t t = 0; t < 64; ++t) {
      std::set<int32_t> ids(r.ids_TK.i32() + t * 6, r.ids_TK.i32() + (t + 1) * 6);
      EXPECT_EQ(ids.size(), 6U);
      EXPECT_GE(*ids.begin(), 0);
      EXPECT_LT(*ids.rbegin(), 32);
    }
  }
}

}  // namespace
}  // namespace fathom::ops
