#include "ops/norm.h"

#include <gtest/gtest.h>

#include "ops/test_support.h"

namespace fathom::ops {
namespace {

class NormTest : public testing::TestWithParam<Setting> {};

constexpr int64_t kRows[] = {0, 1, 3, 50};
constexpr int64_t kWidths[] = {1, 15, 16, 17, 100, 5000};

TEST_P(NormTest, RmsNorm) {
  Machine machine(GetParam(), 2);
  Machine four(GetParam(), 4);
  for (const int64_t rows : kRows) {
    for (const int64_t width : kWidths) {
      // The columns behind the weight's are not read.
      const Tensor x = random_tensor({rows, width + 5}, 1, 3);
      const Tensor w = random_tensor({width}, 2);
      const Tensor y = rms_norm(machine.ctx, x, w, 1e-6);
      ASSERT_EQ(y.shape(), (Shape{rows, width}));
      for (int64_t t = 0; t < rows; ++t) {
        double squares = 0;
        for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(x.row(t)[i]) * x.row(t)[i];
        const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-6);
        for (int64_t i = 0; i < width; ++i) {
          const double expected = x.row(t)[i] * scale * w.f32()[i];
          ASSERT_NEAR(y.row(t)[i], expected, 2e-6 * std::fabs(expected) + 1e-9) << width << " at " << t << ", " << i;
        }
      }
      ASSERT_TRUE(same_bits(rms_norm(four.ctx, x, w, 1e-6), y));
    }
  }
}

TEST_P(NormTest, RmsNormOfZerosIsZero) {
  Machine machine(GetParam());
  const Tensor y = rms_norm(machine.ctx, Tensor::zeros({1, 20}), random_tensor({20}, 1), 1e-6);
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(y.f32()[i], 0.0F);
}

TEST_P(NormTest, LayerNorm) {
  Machine machine(GetParam(), 2);
  for (const int64_t rows : kRows) {
    for (const int64_t width : kWidths) {
      const Tensor x = random_tensor({rows, width}, 3, 2);
      const Tensor w = random_tensor({width}, 4);
      const Tensor b = random_tensor({width}, 5);
      const Tensor y = layer_norm(machine.ctx, x, w, b, 1e-6);
      for (int64_t t = 0; t < rows; ++t) {
        double mean = 0;
        for (int64_t i = 0; i < width; ++i) mean += x.row(t)[i] / static_cast<double>(width);
        double variance = 0;
        for (int64_t i = 0; i < width; ++i) variance += std::pow(x.row(t)[i] - mean, 2) / static_cast<double>(width);
        for (int64_t i = 0; i < width; ++i) {
          const double expected = (x.row(t)[i] - mean) / std::sqrt(variance + 1e-6) * w.f32()[i] + b.f32()[i];
          // At width 1 the mean's rounding stands against sqrt(eps).
          ASSERT_NEAR(y.row(t)[i], expected, width == 1 ? 1e-3 : 1e-5) << width;
        }
      }
    }
  }
}

TEST_P(NormTest, AddIsTheRoundedSum) {
  Machine machine(GetParam(), 2);
  for (const int64_t rows : kRows) {
    const Tensor x = random_tensor({rows, 333}, 6);
    const Tensor y = random_tensor({rows, 333}, 7);
    const Tensor sum = add(machine.ctx, x, y);
    for (int64_t i = 0; i < sum.count(); ++i) ASSERT_EQ(sum.f32()[i], x.f32()[i] + y.f32()[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, NormTest, testing::ValuesIn(all_settings()), setting_name);

}  // namespace
}  // namespace fathom::ops
