#include "ops/linear.h"

#include <gtest/gtest.h>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

struct Size {
  int64_t m, n, k;
};

// Odd everything, one and many, both sides of the scale blocks and of the size from which the team takes part.
constexpr Size kSizes[] = {{1, 1, 1},    {1, 130, 257},  {2, 33, 31},   {3, 129, 128}, {5, 300, 127},
                           {17, 65, 64}, {64, 200, 129}, {70, 128, 40}, {1, 1000, 96}};

class LinearTest : public testing::TestWithParam<Setting> {};

TEST_P(LinearTest, MatchesTheDefinitionInEveryFormat) {
  Machine machine(GetParam(), 2);
  for (const DType format : weight_formats()) {
    for (const Size& size : kSizes) {
      const Matrix w(size.n, size.k, format, 1);
      const Tensor x = random_tensor({size.m, size.k}, 2);
      const Tensor y = linear(machine.ctx, x, w.weight());
      ASSERT_EQ(y.shape(), (Shape{size.m, size.n}));
      for (int64_t t = 0; t < size.m; ++t) {
        for (int64_t n = 0; n < size.n; ++n) {
          double sum = 0;
          double magnitude = 0;
          for (int64_t k = 0; k < size.k; ++k) {
            const float value = GetParam().compute == Compute::kBF16 ? to_bf16_and_back(x.row(t)[k]) : x.row(t)[k];
            const double product = value * w.at(n, k, GetParam().compute);
            sum += product;
            magnitude += std::fabs(product);
          }
          ASSERT_NEAR(y.row(t)[n], sum, 2e-6 * magnitude)
              << dtype_name(format) << " " << size.m << "x" << size.n << "x" << size.k << " at " << t << ", " << n;
        }
      }
    }
  }
}

TEST_P(LinearTest, BitsDependOnTheRowAlone) {
  Machine one(GetParam(), 1);
  for (const DType format : weight_formats()) {
    for (const Size& size : kSizes) {
      const Matrix w(size.n, size.k, format, 3);
      const Tensor x = random_tensor({size.m, size.k}, 4);
      const Tensor y = linear(one.ctx, x, w.weight());
      for (const int threads : {2, 4}) {
        Machine many(GetParam(), threads);
        ASSERT_TRUE(same_bits(linear(many.ctx, x, w.weight()), y)) << dtype_name(format) << ", " << threads;
      }
      for (const int64_t t : {int64_t{0}, size.m / 2, size.m - 1}) {
        ASSERT_TRUE(same_bits(linear(one.ctx, x.rows(t, t + 1), w.weight()), y.rows(t, t + 1)))
            << dtype_name(format) << " row " << t << " alone";
      }
    }
  }
}

TEST_P(LinearTest, TakesNoRows) {
  Machine machine(GetParam(), 2);
  const Matrix w(40, 30, DType::kBF16, 1);
  EXPECT_EQ(linear(machine.ctx, Tensor::zeros({0, 30}), w.weight()).shape(), (Shape{0, 40}));
}

TEST_P(LinearTest, F32VariantIgnoresThePrecision) {
  Machine machine(GetParam(), 2);
  Machine f32({GetParam().isa, Compute::kF32}, 1);
  const Matrix w(60, 300, DType::kF32, 5);
  const Tensor x = random_tensor({9, 300}, 6);
  EXPECT_TRUE(same_bits(linear_f32(machine.ctx, x, w.weight()), linear(f32.ctx, x, w.weight())));
}

TEST_P(LinearTest, EmbeddingWidensRowsExactly) {
  Machine machine(GetParam());
  for (const DType format : weight_formats()) {
    const Matrix w(150, 300, format, 7);
    const std::vector<int32_t> tokens = {0, 149, 127, 128, 128, 3};
    const Tensor y = embedding(machine.ctx, tokens, w.weight());
    ASSERT_EQ(y.shape(), (Shape{6, 300}));
    for (size_t t = 0; t < tokens.size(); ++t) {
      for (int64_t c = 0; c < 300; ++c) {
        ASSERT_EQ(y.row(static_cast<int64_t>(t))[c], static_cast<float>(w.at(tokens[t], c))) << dtype_name(format);
      }
    }
  }
  EXPECT_EQ(embedding(machine.ctx, {}, Matrix(3, 4, DType::kF32, 1).weight()).dim(0), 0);
}

INSTANTIATE_TEST_SUITE_P(All, LinearTest, testing::ValuesIn(all_settings()), setting_name);

TEST(Rows, ConcatAndGather) {
  Machine machine({Isa::kPlain, Compute::kF32});
  const Tensor a = Tensor::of({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor b = Tensor::of({2, 1}, std::vector<float>{5, 6});
  EXPECT_TRUE(same_bits(concat(machine.ctx, a, b), Tensor::of({2, 3}, std::vector<float>{1, 2, 5, 3, 4, 6})));
  const std::vector<int32_t> rows = {1, 1, 0};
  EXPECT_TRUE(same_bits(gather_rows(machine.ctx, a, rows), Tensor::of({3, 2}, std::vector<float>{3, 4, 3, 4, 1, 2})));
  EXPECT_EQ(concat(machine.ctx, Tensor::zeros({0, 2}), Tensor::zeros({0, 3})).shape(), (Shape{0, 5}));
}

}  // namespace
}  // namespace fathom::ops
