#include "ops/swiglu.h"

#include <gtest/gtest.h>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

struct Network {
  Network(int64_t hidden, int64_t intermediate, DType format, uint64_t seed)
      : gate(intermediate, hidden, format, seed, 0.2),
        up(intermediate, hidden, format, seed + 1, 0.2),
        down(hidden, intermediate, format, seed + 2, 0.2) {}

  SwigluWeights weights() const { return {gate.weight(), up.weight(), down.weight()}; }

  // down(silu(gate x) * up x) for one row, in double.
  std::vector<double> apply(const float* x) const {
    const int64_t hidden = down.weight().rows();
    const int64_t intermediate = gate.weight().rows();
    std::vector<double> h(static_cast<size_t>(intermediate));
    for (int64_t i = 0; i < intermediate; ++i) {
      double g = 0;
      double u = 0;
      for (int64_t k = 0; k < hidden; ++k) {
        g += x[k] * gate.at(i, k);
        u += x[k] * up.at(i, k);
      }
      h[static_cast<size_t>(i)] = g / (1 + std::exp(-g)) * u;
    }
    std::vector<double> y(static_cast<size_t>(hidden));
    for (int64_t n = 0; n < hidden; ++n) {
      for (int64_t i = 0; i < intermediate; ++i) y[static_cast<size_t>(n)] += h[static_cast<size_t>(i)] * down.at(n, i);
    }
    return y;
  }

  Matrix gate, up, down;
};

double tolerance(const Setting& setting) { return setting.compute == Compute::kF32 ? 2e-6 : 6e-2; }

class SwigluTest : public testing::TestWithParam<Setting> {};

TEST_P(SwigluTest, DenseMatchesTheDefinition) {
  for (const DType format : weight_formats()) {
    for (const int64_t intermediate : {1, 63, 64, 200}) {
      const Network network(70, intermediate, format, 1);
      for (const int64_t tokens : {1, 2, 33}) {
        const Tensor x = random_tensor({tokens, 70}, 5);
        std::vector<double> expected;
        for (int64_t t = 0; t < tokens; ++t) {
          const auto row = network.apply(x.row(t));
          expected.insert(expected.end(), row.begin(), row.end());
        }
        Machine one(GetParam(), 1);
        const Tensor y = swiglu(one.ctx, x, network.weights());
        ASSERT_LT(relative_error(y, expected), tolerance(GetParam())) << dtype_name(format) << " " << intermediate;
        for (const int threads : {2, 4}) {
          Machine many(GetParam(), threads);
          ASSERT_TRUE(same_bits(swiglu(many.ctx, x, network.weights()), y));
        }
      }
    }
  }
}

TEST_P(SwigluTest, TakesNoRows) {
  Machine machine(GetParam(), 2);
  const Network network(70, 65, DType::kBF16, 1);
  EXPECT_EQ(swiglu(machine.ctx, Tensor::zeros({0, 70}), network.weights()).shape(), (Shape{0, 70}));
}

constexpr int64_t kExperts = 9;
constexpr int64_t kHidden = 70;

class Experts {
 public:
  explicit Experts(DType format) : shared_(kHidden, 130, format, 1000) {
    for (int64_t e = 0; e < kExperts; ++e) {
      networks_.push_back(std::make_unique<Network>(kHidden, 75, format, static_cast<uint64_t>(10 * e)));
      weights_.push_back(networks_.back()->weights());
    }
  }

  // The loop that the op must equal bit for bit: each token's experts one by one, then the shared ones.
  Tensor one_by_one(const Context& ctx, const Tensor& x, const Routing& routing, bool has_shared) const {
    const Tensor y = Tensor::zeros(x.shape());
    const int64_t chosen = routing.ids_TK.dim(1);
    for (int64_t t = 0; t < x.dim(0); ++t) {
      const Tensor row = x.rows(t, t + 1);
      for (int64_t k = 0; k < chosen; ++k) {
        const auto e = static_cast<size_t>(routing.ids_TK.i32()[t * chosen + k]);
        ctx.rowwise().add_scaled(swiglu(ctx, row, weights_[e]).f32(), routing.weights_TK.row(t)[k], kHidden, y.row(t));
      }
      if (has_shared) ctx.rowwise().add_scaled(swiglu(ctx, row, shared_.weights()).f32(), 1.0F, kHidden, y.row(t));
    }
    return y;
  }

  std::vector<double> definition(const Tensor& x, const Routing& routing, bool has_shared) const {
    std::vector<double> y;
    const int64_t chosen = routing.ids_TK.dim(1);
    for (int64_t t = 0; t < x.dim(0); ++t) {
      std::vector<double> row(static_cast<size_t>(kHidden));
      const auto add = [&](const Network& network, double weight) {
        const auto out = network.apply(x.row(t));
        for (size_t i = 0; i < row.size(); ++i) row[i] += weight * out[i];
      };
      for (int64_t k = 0; k < chosen; ++k) {
        add(*networks_[static_cast<size_t>(routing.ids_TK.i32()[t * chosen + k])], routing.weights_TK.row(t)[k]);
      }
      if (has_shared) add(shared_, 1.0);
      y.insert(y.end(), row.begin(), row.end());
    }
    return y;
  }

  Tensor run(const Context& ctx, const Tensor& x, const Routing& routing, bool has_shared) const {
    const SwigluWeights shared = shared_.weights();
    return swiglu_experts(ctx, x, routing, weights_, has_shared ? &shared : nullptr);
  }

 private:
  std::vector<std::unique_ptr<Network>> networks_;
  std::vector<SwigluWeights> weights_;
  Network shared_;
};

// Three experts a token: spread over all but the last two experts, or (`crowded`) the same three for every token.
Routing make_routing(int64_t tokens, bool crowded) {
  Routing out{Tensor::zeros({tokens, 3}, DType::kI32), random_tensor({tokens, 3}, 8)};
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t k = 0; k < 3; ++k) {
      out.ids_TK.i32()[t * 3 + k] = static_cast<int32_t>(crowded ? 6 - 2 * k : (t * 3 + 5 * k) % (kExperts - 2));
    }
  }
  return out;
}

TEST_P(SwigluTest, ExpertsMatchTheLoopOverTokens) {
  for (const DType format : {DType::kBF16, DType::kF8E4M3}) {
    const Experts experts(format);
    for (const int64_t tokens : {1, 2, 7, 90}) {
      for (const bool crowded : {false, true}) {
        for (const bool has_shared : {false, true}) {
          const Tensor x = random_tensor({tokens, kHidden}, 9);
          const Routing routing = make_routing(tokens, crowded);
          Machine one(GetParam(), 1);
          const Tensor y = experts.run(one.ctx, x, routing, has_shared);
          ASSERT_TRUE(same_bits(y, experts.one_by_one(one.ctx, x, routing, has_shared)))
              << tokens << " tokens, " << dtype_name(format) << (crowded ? ", crowded" : "");
          if (tokens <= 7) {
            ASSERT_LT(relative_error(y, experts.definition(x, routing, has_shared)), tolerance(GetParam()));
          }
          for (const int threads : {2, 4}) {
            Machine many(GetParam(), threads);
            ASSERT_TRUE(same_bits(experts.run(many.ctx, x, routing, has_shared), y)) << threads << " threads";
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SwigluTest, testing::ValuesIn(all_settings()), setting_name);

}  // namespace
}  // namespace fathom::ops
