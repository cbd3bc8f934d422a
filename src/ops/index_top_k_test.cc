#include "ops/index_top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

constexpr int64_t kHeads = 3;
constexpr int64_t kDim = 20;
constexpr int64_t kRopeDim = 8;
constexpr double kTheta = 1000;

// What a sequence's tokens bring along.
struct Inputs {
  Tensor q, k, weights;

  Inputs(int64_t tokens, uint64_t seed)
      : q(random_tensor({tokens, kHeads * kDim}, seed)),
        k(random_tensor({tokens, kDim}, seed + 1)),
        weights(random_tensor({tokens, kHeads}, seed + 2)) {}
};

class Scores : public Probe {
 public:
  void record(const std::string& name, const Tensor& value) override { seen[name] = copy_of(value); }
  std::map<std::string, Tensor> seen;
};

std::vector<int32_t> pages_for(int64_t tokens, int32_t first) {
  std::vector<int32_t> pages;
  for (int64_t i = 0; i < ceil_div(tokens, kernels::kPageTokens); ++i) {
    pages.push_back(first - static_cast<int32_t>(i));  // out of order on purpose
  }
  return pages;
}

// Runs a sequence in chunks; rows of chosen positions, filled up to `top_k`.
std::vector<std::vector<int32_t>> run(const Context& ctx, const Inputs& in, int64_t top_k, int64_t chunk) {
  const Rope rope(kRopeDim, kTheta, std::nullopt);
  const int64_t tokens = in.q.dim(0);
  LatentCache cache({.layers = 2, .latent_dim = 16, .index_dim = kDim}, ctx.compute, 8);
  std::vector<std::vector<int32_t>> out;
  for (int64_t first = 0; first < tokens; first += chunk) {
    const int64_t end = std::min(tokens, first + chunk);
    TokenBatch batch;
    batch.tokens.resize(static_cast<size_t>(end - first));
    batch.spans = {{.begin = 0, .end = end - first, .past = first, .pages = pages_for(tokens, 7)}};
    const Tensor chosen =
        index_top_k(ctx, {.heads = kHeads, .dim = kDim, .top_k = top_k, .rope = rope}, copy_of(in.q.rows(first, end)),
                    copy_of(in.k.rows(first, end)), in.weights.rows(first, end), batch, cache, 1);
    EXPECT_EQ(chosen.dim(1), std::min(top_k, end));
    for (int64_t t = 0; t < end - first; ++t) {
      out.emplace_back(chosen.i32() + t * chosen.dim(1), chosen.i32() + (t + 1) * chosen.dim(1));
      out.back().resize(static_cast<size_t>(top_k), -1);
    }
  }
  return out;
}

// Rotates the first kRopeDim values in halves, in double.
std::vector<double> rotated(const float* x, int64_t position) {
  std::vector<double> out(x, x + kDim);
  for (int64_t i = 0; i < kRopeDim / 2; ++i) {
    const double angle =
        static_cast<double>(position) * std::pow(kTheta, -2.0 * static_cast<double>(i) / static_cast<double>(kRopeDim));
    const double a = x[i];
    const double b = x[i + kRopeDim / 2];
    out[static_cast<size_t>(i)] = a * std::cos(angle) - b * std::sin(angle);
    out[static_cast<size_t>(i + kRopeDim / 2)] = a * std::sin(angle) + b * std::cos(angle);
  }
  return out;
}

double score(const Inputs& in, int64_t t, int64_t s) {
  double sum = 0;
  const auto k = rotated(in.k.row(s), s);
  for (int64_t h = 0; h < kHeads; ++h) {
    const auto q = rotated(in.q.row(t) + h * kDim, t);
    const double product = std::inner_product(q.begin(), q.end(), k.begin(), 0.0);
    sum += in.weights.row(t)[h] * std::max(0.0, product) / std::sqrt(static_cast<double>(kHeads * kDim));
  }
  return sum;
}

class IndexTopKTest : public testing::TestWithParam<Setting> {};

TEST_P(IndexTopKTest, ScoresMatchTheDefinition) {
  Machine machine(GetParam(), 2);
  Scores probe;
  machine.ctx.probe = &probe;
  const Inputs in(150, 1);
  const auto chosen = run(machine.ctx, in, 12, 150);
  const Tensor& scores = probe.seen.at("layers.1.index_scores");
  ASSERT_EQ(scores.shape(), (Shape{150, 150}));
  for (int64_t t = 0; t < 150; ++t) {
    for (int64_t s = 0; s < 150; ++s) ASSERT_NEAR(scores.row(t)[s], s <= t ? score(in, t, s) : 0.0, 1e-5);
    // The choice follows from these scores: best first, the lower position on a tie, then ascending.
    std::vector<int32_t> order(static_cast<size_t>(t + 1));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return scores.row(t)[a] > scores.row(t)[b]; });
    order.resize(std::min<size_t>(order.size(), 12));
    std::sort(order.begin(), order.end());
    order.resize(12, -1);
    ASSERT_EQ(chosen[static_cast<size_t>(t)], order) << t;
  }
}

TEST_P(IndexTopKTest, AllPositionsWhereThereAreFew) {
  Machine machine(GetParam(), 2);
  for (const int64_t chunk : {70, 3, 1}) {
    const auto chosen = run(machine.ctx, Inputs(70, 2), 70, chunk);
    for (int32_t t = 0; t < 70; ++t) {
      for (int32_t i = 0; i < 70; ++i)
        ASSERT_EQ(chosen[static_cast<size_t>(t)][static_cast<size_t>(i)], i <= t ? i : -1);
    }
  }
}

TEST_P(IndexTopKTest, SameChoiceHoweverCut) {
  const Inputs in(200, 3);
  Machine one(GetParam(), 1);
  const auto whole = run(one.ctx, in, 9, 200);
  for (const int threads : {1, 2, 4}) {
    Machine machine(GetParam(), threads);
    for (const int64_t chunk : {1, 7, 64, 130, 200}) {
      ASSERT_EQ(run(machine.ctx, in, 9, chunk), whole) << threads << " threads, chunks of " << chunk;
    }
    Scores probe;
    machine.ctx.probe = &probe;
    ASSERT_EQ(run(machine.ctx, in, 9, 7), whole) << "the probe changed the choice";
  }
}

TEST_P(IndexTopKTest, PackedSequencesDoNotMix) {
  Machine machine(GetParam(), 2);
  const Rope rope(kRopeDim, kTheta, std::nullopt);
  const Inputs a(40, 4);
  const Inputs b(90, 5);
  const auto join = [](const Tensor& x, const Tensor& y) {
    const Tensor out = Tensor::zeros({x.dim(0) + y.dim(0), x.dim(1)});
    std::memcpy(out.f32(), x.f32(), x.bytes());
    std::memcpy(out.row(x.dim(0)), y.f32(), y.bytes());
    return out;
  };
  LatentCache cache({.layers = 2, .latent_dim = 16, .index_dim = kDim}, machine.ctx.compute, 8);
  TokenBatch batch;
  batch.tokens.resize(130);
  batch.spans = {{.begin = 0, .end = 40, .past = 0, .pages = pages_for(40, 2)},
                 {.begin = 40, .end = 130, .past = 0, .pages = pages_for(90, 6)}};
  const Tensor chosen = index_top_k(machine.ctx, {.heads = kHeads, .dim = kDim, .top_k = 10, .rope = rope},
                                    join(a.q, b.q), join(a.k, b.k), join(a.weights, b.weights), batch, cache, 0);
  auto expected = run(machine.ctx, a, 10, 40);
  const auto second = run(machine.ctx, b, 10, 90);
  expected.insert(expected.end(), second.begin(), second.end());
  for (int64_t t = 0; t < 130; ++t) {
    ASSERT_EQ(std::vector<int32_t>(chosen.i32() + t * 10, chosen.i32() + (t + 1) * 10),
              expected[static_cast<size_t>(t)]);
  }
}

TEST_P(IndexTopKTest, TiesGoToTheLowerPosition) {
  Machine machine(GetParam());
  const Inputs in(100, 6);
  std::fill_n(in.weights.f32(), in.weights.count(), 0.0F);
  const auto chosen = run(machine.ctx, in, 5, 100);
  EXPECT_EQ(chosen[99], (std::vector<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(chosen[2], (std::vector<int32_t>{0, 1, 2, -1, -1}));
}

// Broken activations must not lead outside of the cache; a NaN is no candidate while there are others.
TEST_P(IndexTopKTest, SurvivesNan) {
  Machine machine(GetParam(), 2);
  for (const float bad : {NAN, INFINITY}) {
    const Inputs in(200, 7);
    for (int64_t i = 0; i < in.q.count(); i += 7) in.q.f32()[i] = bad;
    for (int64_t i = 0; i < in.k.count(); i += 11) in.k.f32()[i] = bad;
    for (int64_t i = 0; i < in.weights.count(); i += 5) in.weights.f32()[i] = bad;
    const auto chosen = run(machine.ctx, in, 16, 200);
    for (int32_t t = 0; t < 200; ++t) {
      const auto& row = chosen[static_cast<size_t>(t)];
      const auto count = static_cast<size_t>(std::min(t + 1, 16));
      for (size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(row[i] >= 0 && row[i] <= t) << t;
        ASSERT_TRUE(i == 0 || row[i] > row[i - 1]) << t;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, IndexTopKTest, testing::ValuesIn(all_settings()), setting_name);

}  // namespace
}  // namespace fathom::ops
