// Both forms against a per-head definition in double, and the promise that a token's bits depend on its own sequence.

#include "ops/mla_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

constexpr int64_t kHeads = 3;
constexpr int64_t kRank = 24;
constexpr int64_t kNope = 10;
constexpr int64_t kRopeDim = 6;
constexpr int64_t kValue = 9;
constexpr double kTheta = 500;
constexpr double kScale = 0.3;
constexpr int64_t kPages = 64;

// A sequence, before attention.
struct Inputs {
  Tensor q, latent, kv_a;

  Inputs(int64_t tokens, uint64_t seed)
      : q(random_tensor({tokens, kHeads * (kNope + kRopeDim)}, seed)),
        latent(random_tensor({tokens, kRank}, seed + 1)),
        kv_a(random_tensor({tokens, kRank + kRopeDim}, seed + 2)) {}
  int64_t tokens() const { return q.dim(0); }
};

// A piece of a sequence in a batch.
struct Piece {
  size_t sequence;
  int64_t count;
};
using Step = std::vector<Piece>;

std::vector<Step> chunks(int64_t tokens, int64_t chunk) {
  std::vector<Step> out;
  for (int64_t first = 0; first < tokens; first += chunk) out.push_back({{0, std::min(chunk, tokens - first)}});
  return out;
}

// Sequences and their pages, taken from one pool in turns, so that no sequence has neighbouring ones.
class Runner {
 public:
  Runner(const Context& ctx, const Matrix& kv_b, std::vector<const Inputs*> inputs)
      : ctx_(ctx),
        kv_b_(kv_b),
        inputs_(std::move(inputs)),
        cache_({.layers = 2, .latent_dim = kRank + kRopeDim}, ctx.compute, kPages) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      done_.push_back(0);
      pages_.emplace_back();
      outputs_.push_back(Tensor::zeros({inputs_[i]->tokens(), kHeads * kValue}));
      for (int64_t p = 0; p < ceil_div(inputs_[i]->tokens(), kernels::kPageTokens); ++p) {
        pages_[i].push_back(static_cast<int32_t>(kPages - 1) -
                            static_cast<int32_t>(p * static_cast<int64_t>(inputs_.size()) + static_cast<int64_t>(i)));
      }
    }
  }

  // `chosen(sequence, position)`: the positions that a token may see; absent: dense.
  using Chosen = std::function<std::vector<int32_t>(size_t, int64_t)>;

  std::vector<Tensor> run(const std::vector<Step>& steps, const Chosen& chosen = {}) {
    for (const Step& step : steps) run_step(step, chosen);
    return outputs_;
  }

 private:
  void run_step(const Step& step, const Chosen& chosen) {
    TokenBatch batch;
    int64_t total = 0;
    for (const Piece& piece : step) {
      batch.spans.push_back({total, total + piece.count, done_[piece.sequence], pages_[piece.sequence]});
      total += piece.count;
    }
    batch.tokens.resize(static_cast<size_t>(total));
    const Tensor q = Tensor::zeros({total, kHeads * (kNope + kRopeDim)});
    const Tensor latent = Tensor::zeros({total, kRank});
    const Tensor kv_a = Tensor::zeros({total, kRank + kRopeDim});
    std::vector<std::vector<int32_t>> positions;
    for (size_t i = 0; i < step.size(); ++i) {
      const Inputs& in = *inputs_[step[i].sequence];
      const Span& span = batch.spans[i];
      const auto copy = [&](const Tensor& from, const Tensor& to) {
        const Tensor rows = from.rows(span.past, span.total());
        std::memcpy(to.row(span.begin), rows.f32(), rows.bytes());
      };
      copy(in.q, q);
      copy(in.latent, latent);
      copy(in.kv_a, kv_a);
      for (int64_t s = span.past; chosen && s < span.total(); ++s) positions.push_back(chosen(step[i].sequence, s));
    }
    const MlaParams params{.heads = kHeads,
                           .kv_lora_rank = kRank,
                           .qk_nope_head_dim = kNope,
                           .qk_rope_head_dim = kRopeDim,
                           .v_head_dim = kValue,
                           .softmax_scale = kScale,
                           .kv_b_proj = kv_b_.weight(),
                           .rope = rope_};
    const Tensor out = mla_attention(ctx_, params, q, latent, kv_a, matrix_of(positions), batch, cache_, 1);
    for (size_t i = 0; i < step.size(); ++i) {
      const Span& span = batch.spans[i];
      const Tensor rows = out.rows(span.begin, span.end);
      if (span.length() > 0) std::memcpy(outputs_[step[i].sequence].row(span.past), rows.f32(), rows.bytes());
      done_[step[i].sequence] += step[i].count;
    }
  }

  static Tensor matrix_of(const std::vector<std::vector<int32_t>>& rows) {
    if (rows.empty()) return {};
    size_t width = 0;
    for (const auto& row : rows) width = std::max(width, row.size());
    const Tensor out = Tensor::zeros({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, DType::kI32);
    std::fill_n(out.i32(), out.count(), -1);
    for (size_t t = 0; t < rows.size(); ++t) std::copy(rows[t].begin(), rows[t].end(), out.i32() + t * width);
    return out;
  }

  const Context& ctx_;
  const Matrix& kv_b_;
  std::vector<const Inputs*> inputs_;
  Rope rope_{kRopeDim, kTheta, std::nullopt};
  LatentCache cache_;
  std::vector<int64_t> done_;
  std::vector<std::vector<int32_t>> pages_;
  std::vector<Tensor> outputs_;
};

std::vector<double> rotated(const float* x, int64_t position) {
  std::vector<double> out(kRopeDim);
  for (size_t i = 0; i < kRopeDim / 2; ++i) {
    const double angle = static_cast<double>(position) * std::pow(kTheta, -2.0 * static_cast<double>(i) / kRopeDim);
    out[2 * i] = x[2 * i] * std::cos(angle) - x[2 * i + 1] * std::sin(angle);
    out[2 * i + 1] = x[2 * i] * std::sin(angle) + x[2 * i + 1] * std::cos(angle);
  }
  return out;
}

// Plain multi-head attention over keys and values made from the latents (V2 report, equations 9 to 19).
std::vector<double> definition(const Inputs& in, const Matrix& kv_b, const Runner::Chosen& chosen = {}) {
  const auto tokens = static_cast<size_t>(in.tokens());
  std::vector<double> out(tokens * kHeads * kValue);
  std::vector<std::vector<double>> key_rope;
  for (size_t s = 0; s < tokens; ++s) {
    key_rope.push_back(rotated(in.kv_a.row(static_cast<int64_t>(s)) + kRank, static_cast<int64_t>(s)));
  }
  for (int64_t h = 0; h < kHeads; ++h) {
    std::vector<double> kv(tokens * (kNope + kValue));
    for (size_t s = 0; s < tokens; ++s) {
      for (int64_t j = 0; j < kNope + kValue; ++j) {
        double& sum = kv[s * (kNope + kValue) + static_cast<size_t>(j)];
        for (int64_t r = 0; r < kRank; ++r) {
          sum += kv_b.at(h * (kNope + kValue) + j, r) * in.latent.row(static_cast<int64_t>(s))[r];
        }
      }
    }
    for (size_t t = 0; t < tokens; ++t) {
      const float* q = in.q.row(static_cast<int64_t>(t)) + h * (kNope + kRopeDim);
      const auto q_rope = rotated(q + kNope, static_cast<int64_t>(t));
      std::vector<int32_t> seen(t + 1);
      std::iota(seen.begin(), seen.end(), 0);
      if (chosen) seen = chosen(0, static_cast<int64_t>(t));
      std::vector<double> weights;
      double max = -INFINITY;
      for (const int32_t s : seen) {
        const double* k = &kv[static_cast<size_t>(s) * (kNope + kValue)];
        double score = std::inner_product(q_rope.begin(), q_rope.end(), key_rope[static_cast<size_t>(s)].begin(), 0.0);
        for (int64_t i = 0; i < kNope; ++i) score += q[i] * k[i];
        weights.push_back(score * kScale);
        max = std::max(max, weights.back());
      }
      double sum = 0;
      for (double& w : weights) sum += w = std::exp(w - max);
      for (size_t i = 0; i < seen.size(); ++i) {
        const double* v = &kv[static_cast<size_t>(seen[i]) * (kNope + kValue)] + kNope;
        double* to = &out[(t * kHeads + static_cast<size_t>(h)) * kValue];
        for (int64_t j = 0; j < kValue; ++j) to[j] += weights[i] / sum * v[j];
      }
    }
  }
  return out;
}

double tolerance(const Setting& setting) { return setting.compute == Compute::kF32 ? 5e-6 : 4e-2; }

class MlaAttentionTest : public testing::TestWithParam<Setting> {
 protected:
  const Matrix kv_b_{kHeads * (kNope + kValue), kRank, DType::kBF16, 11, 0.4};
};

TEST_P(MlaAttentionTest, BothFormsMatchTheDefinition) {
  for (const DType format : weight_formats()) {
    const Matrix kv_b(kHeads * (kNope + kValue), kRank, format, 12, 0.4);
    const Inputs in(150, 1);
    const auto expected = definition(in, kv_b);
    for (const MlaForm form : {MlaForm::kAbsorbed, MlaForm::kExpanded}) {
      Machine machine(GetParam(), 2, form);
      const Tensor out = Runner(machine.ctx, kv_b, {&in}).run(chunks(150, 150))[0];
      EXPECT_LT(relative_error(out, expected), tolerance(GetParam()))
          << dtype_name(format) << (form == MlaForm::kAbsorbed ? " absorbed" : " expanded");
    }
  }
}

// More than two parts of keys, so that their merging takes place.
TEST_P(MlaAttentionTest, LongSequencesMatchTheDefinition) {
  const Inputs in(1100, 2);
  const auto expected = definition(in, kv_b_);
  for (const MlaForm form : {MlaForm::kAbsorbed, MlaForm::kExpanded}) {
    Machine machine(GetParam(), 2, form);
    const Tensor out = Runner(machine.ctx, kv_b_, {&in}).run(chunks(1100, 1100))[0];
    EXPECT_LT(relative_error(out, expected), tolerance(GetParam()));
  }
}

TEST_P(MlaAttentionTest, SameBitsHoweverCutAndOnAnyTeam) {
  const Inputs in(1030, 3);
  Machine one(GetParam(), 1);
  const Tensor whole = Runner(one.ctx, kv_b_, {&in}).run(chunks(1030, 1030))[0];
  for (const auto& [threads, chunk] : {std::pair<int, int64_t>{1, 513}, {2, 100}, {4, 17}, {4, 1030}}) {
    Machine machine(GetParam(), threads);
    ASSERT_TRUE(same_bits(Runner(machine.ctx, kv_b_, {&in}).run(chunks(1030, chunk))[0], whole))
        << threads << " threads, chunks of " << chunk;
  }
}

TEST_P(MlaAttentionTest, ExpandedBitsAreTheSameHoweverCut) {
  const Inputs in(530, 3);
  Machine one(GetParam(), 1, MlaForm::kExpanded);
  const Tensor whole = Runner(one.ctx, kv_b_, {&in}).run(chunks(530, 530))[0];
  for (const auto& [threads, chunk] : {std::pair<int, int64_t>{2, 100}, {4, 513}}) {
    Machine machine(GetParam(), threads, MlaForm::kExpanded);
    ASSERT_TRUE(same_bits(Runner(machine.ctx, kv_b_, {&in}).run(chunks(530, chunk))[0], whole))
        << threads << " threads, chunks of " << chunk;
  }
}

// Prefill to just before a border of pages or parts, then token by token over it: decode.
TEST_P(MlaAttentionTest, SameBitsTokenByToken) {
  const Inputs in(1030, 4);
  Machine one(GetParam(), 1);
  const Tensor whole = Runner(one.ctx, kv_b_, {&in}).run(chunks(1030, 1030))[0];
  for (const int threads : {1, 4}) {
    Machine machine(GetParam(), threads);
    std::vector<Step> steps = {{{0, 60}}};
    for (int i = 0; i < 8; ++i) steps.push_back({{0, 1}});
    steps.push_back({{0, 440}});
    for (int i = 0; i < 8; ++i) steps.push_back({{0, 1}});
    steps.push_back({{0, 500}});
    for (int i = 0; i < 7; ++i) steps.push_back({{0, 2}});
    ASSERT_TRUE(same_bits(Runner(machine.ctx, kv_b_, {&in}).run(steps)[0], whole)) << threads;
  }
}

TEST_P(MlaAttentionTest, SameBitsAmongOthers) {
  const Inputs a(90, 5);
  const Inputs b(600, 6);
  const Inputs c(1, 7);
  Machine one(GetParam(), 1);
  std::vector<Tensor> alone;
  for (const Inputs* in : {&a, &b, &c}) alone.push_back(Runner(one.ctx, kv_b_, {in}).run(chunks(in->tokens(), 700))[0]);
  for (const int threads : {1, 2, 4}) {
    Machine machine(GetParam(), threads);
    // Prompts in pieces beside others that decode.
    const auto packed =
        Runner(machine.ctx, kv_b_, {&a, &b, &c})
            .run({{{1, 500}, {0, 70}}, {{0, 1}, {2, 1}, {1, 80}}, {{1, 10}, {0, 10}}, {{0, 9}, {1, 10}}});
    for (size_t i = 0; i < alone.size(); ++i) {
      ASSERT_TRUE(same_bits(packed[i], alone[i])) << "sequence " << i << ", " << threads << " threads";
    }
  }
}

TEST_P(MlaAttentionTest, AnEmptySpanChangesNothing) {
  const Inputs a(70, 8);
  const Inputs b(5, 9);
  for (const MlaForm form : {MlaForm::kAbsorbed, MlaForm::kExpanded}) {
    Machine machine(GetParam(), 2, form);
    const auto plain = Runner(machine.ctx, kv_b_, {&a, &b}).run({{{0, 70}, {1, 5}}});
    const auto gaps = Runner(machine.ctx, kv_b_, {&a, &b}).run({{{1, 0}, {0, 70}, {1, 5}}});
    EXPECT_TRUE(same_bits(plain[0], gaps[0]));
    EXPECT_TRUE(same_bits(plain[1], gaps[1]));
  }
}

TEST_P(MlaAttentionTest, ChoosingAllPositionsIsDense) {
  const Inputs in(600, 10);
  const auto all = [](size_t, int64_t position) {
    std::vector<int32_t> out(static_cast<size_t>(position + 1));
    std::iota(out.begin(), out.end(), 0);
    return out;
  };
  for (const int threads : {1, 4}) {
    Machine machine(GetParam(), threads);
    const Tensor dense = Runner(machine.ctx, kv_b_, {&in}).run(chunks(600, 600))[0];
    ASSERT_TRUE(same_bits(Runner(machine.ctx, kv_b_, {&in}).run(chunks(600, 250), all)[0], dense));
  }
}

TEST_P(MlaAttentionTest, ChosenPositionsMatchTheDefinition) {
  const Inputs in(200, 11);
  const auto some = [](size_t, int64_t position) {
    std::vector<int32_t> out;
    for (int64_t s = position % 3; s <= position; s += 3) out.push_back(static_cast<int32_t>(s));
    return out;
  };
  const auto expected = definition(in, kv_b_, some);
  Machine machine(GetParam(), 2);
  const Tensor out = Runner(machine.ctx, kv_b_, {&in}).run(chunks(200, 77), some)[0];
  EXPECT_LT(relative_error(out, expected), tolerance(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, MlaAttentionTest, testing::ValuesIn(all_settings()), setting_name);

TEST(LatentCache, LaysPagesOutWithoutOverlap) {
  for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
    LatentCache cache({.layers = 3, .latent_dim = 20, .index_dim = 7}, compute, 4);
    const size_t latent_bytes = 64 * 20 * (compute == Compute::kF32 ? 4 : 2);
    std::vector<std::pair<const std::byte*, size_t>> areas;
    for (int32_t page = 0; page < 4; ++page) {
      for (int64_t layer = 0; layer < 3; ++layer) {
        areas.emplace_back(static_cast<const std::byte*>(cache.latents(layer, page)), latent_bytes);
        areas.emplace_back(reinterpret_cast<const std::byte*>(cache.index_keys(layer, page)), 64 * 7 * 4);
      }
    }
    std::sort(areas.begin(), areas.end());
    for (size_t i = 1; i < areas.size(); ++i) EXPECT_LE(areas[i - 1].first + areas[i - 1].second, areas[i].first);
    EXPECT_LE(areas.back().first + areas.back().second, areas.front().first + 4 * cache.page_bytes());
    for (const auto& area : areas) EXPECT_EQ(reinterpret_cast<uintptr_t>(area.first) % 64, 0U);
  }
}

}  // namespace
}  // namespace fathom::ops
