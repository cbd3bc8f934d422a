// Training in FP8 against the same sums in double precision over values that were rounded one by one.

#include "ops/fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/linear.h"
#include "ops/swiglu.h"
#include "ops/tape.h"
#include "ops/test_support.h"

namespace fathom::ops {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix matrix_of(const Tensor& x) {
  Matrix out;
  for (int64_t r = 0; r < x.dim(0); ++r) out.emplace_back(x.row(r), x.row(r) + x.dim(1));
  return out;
}

Matrix turned(const Matrix& x) {
  Matrix out(x[0].size(), std::vector<double>(x.size()));
  for (size_t r = 0; r < x.size(); ++r) {
    for (size_t c = 0; c < x[0].size(); ++c) out[c][r] = x[r][c];
  }
  return out;
}

// The nearest E4M3 value times the scale that takes the largest of the tile to 448: from the definition of the format,
// 4 bits of exponent, 3 of mantissa, subnormals below 2^-6.
double e4m3(double value) {
  if (value == 0) return 0;
  const double step = std::ldexp(1.0, std::max(static_cast<int>(std::floor(std::log2(std::fabs(value)))), -6) - 3);
  return std::nearbyint(value / step) * step;  // ties to even
}

// Tiles of 1 x 128.
Matrix rounded(Matrix x) {
  for (auto& row : x) {
    for (size_t begin = 0; begin < row.size(); begin += 128) {
      const size_t end = std::min(row.size(), begin + 128);
      double largest = 0;
      for (size_t c = begin; c < end; ++c) largest = std::max(largest, std::fabs(row[c]));
      const double scale = largest > 0 ? largest / 448 : 1;
      for (size_t c = begin; c < end; ++c) row[c] = e4m3(row[c] / scale) * scale;
    }
  }
  return x;
}
Matrix rounded_down(const Matrix& x) { return turned(rounded(turned(x))); }

Matrix product(const Matrix& a, const Matrix& b_turned) {
  Matrix out(a.size(), std::vector<double>(b_turned.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b_turned.size(); ++j) {
      for (size_t k = 0; k < a[0].size(); ++k) out[i][j] += a[i][k] * b_turned[j][k];
    }
  }
  return out;
}

// A rounding that falls the other way in F32 moves one factor by a step of its tile, 1/16 of it at most.
void expect_near(const Tensor& got, const Matrix& want, const char* what) {
  double square = 0;
  double off = 0;
  for (size_t r = 0; r < want.size(); ++r) {
    for (size_t c = 0; c < want[0].size(); ++c) {
      const double d = static_cast<double>(got.row(static_cast<int64_t>(r))[c]) - want[r][c];
      square += want[r][c] * want[r][c];
      off += d * d;
    }
  }
  EXPECT_LT(std::sqrt(off / square), 1e-3) << what;
}

// An FP8 weight of random values, and what it stands for.
struct Stored {
  Stored(int64_t rows, int64_t cols, uint64_t seed) : bytes(static_cast<size_t>(rows * cols)) {
    const int64_t across = ceil_div(cols, kScaleBlock);
    for (int64_t i = 0; i < ceil_div(rows, kScaleBlock) * across; ++i)
      scales.push_back(0.01F + 0.001F * static_cast<float>(i));
    const Tensor values = random_tensor({rows, cols}, seed, 100);
    for (int64_t r = 0; r < rows; ++r) {
      exact.emplace_back();
      for (int64_t c = 0; c < cols; ++c) {
        const auto i = static_cast<size_t>(r * cols + c);
        bytes[i] = f32_to_f8e4m3(values.f32()[i]);
        exact.back().push_back(
            static_cast<double>(f8e4m3_to_f32(bytes[i])) *
            static_cast<double>(scales[static_cast<size_t>(r / kScaleBlock * across + c / kScaleBlock)]));
      }
    }
    weight.view = {
        .data = bytes.data(), .dtype = DType::kF8E4M3, .rows = rows, .cols = cols, .scale_inv = scales.data()};
  }

  std::vector<f8_t> bytes;
  std::vector<float> scales;
  Matrix exact;
  Weight weight;
};

class Fp8Test : public testing::TestWithParam<int> {
 protected:
  Fp8Test() : machine_({best_isa(), Compute::kF32}, GetParam()) { machine_.ctx.trains_in_fp8 = true; }
  Machine machine_;
};

TEST_P(Fp8Test, TilesAreRoundedAsTheFormatSays) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3, 128}, {130, 200}, {257, 5}}) {
    Tensor x = random_tensor({rows, cols}, 7);
    x.row(rows - 1)[cols - 1] = 1e-6F;  // subnormal beside the others
    expect_near(fp8_rounded(machine_.ctx, rows_of(x)), rounded(matrix_of(x)), "along");
    expect_near(fp8_rounded_down(machine_.ctx, rows_of(x)), rounded_down(matrix_of(x)), "down");
  }
  const Tensor zeros = Tensor::zeros({2, 130});
  const Tensor same = fp8_rounded(machine_.ctx, rows_of(zeros));
  for (int64_t i = 0; i < same.count(); ++i) EXPECT_EQ(same.f32()[i], 0.0F);
}

// Fprop, Dgrad and Wgrad: all factors in FP8, tiles along the dimension that is summed over.
TEST_P(Fp8Test, LinearReadsFp8InAllThreeProducts) {
  for (const auto& [tokens, in, out] : {std::tuple{5, 40, 24}, {140, 200, 136}}) {
    const Stored w(out, in, 1);
    const Tensor x = random_tensor({tokens, in}, 2);
    const Tensor dy = random_tensor({tokens, out}, 3);
    Tape tape;
    const Tensor dx = Tensor::zeros({tokens, in});
    const Tensor dw = Tensor::zeros({out, in});
    tape.watch(x.data_bytes(), dx);
    tape.watch(w.weight.view.data, dw);
    Context ctx = machine_.ctx;
    ctx.tape = &tape;
    const Tensor y = linear(ctx, x, w.weight);
    std::copy_n(dy.f32(), dy.count(), tape.gradient(ctx, y).f32());
    tape.backward(machine_.ctx);
    const Matrix x8 = rounded(matrix_of(x));
    expect_near(y, product(x8, w.exact), "y");
    expect_near(dx, product(rounded(matrix_of(dy)), turned(w.exact)), "dx");
    expect_near(dw, product(turned(rounded_down(matrix_of(dy))), turned(rounded_down(x8))), "dw");
  }
}

// Weights that are not FP8 (head, gate) are left alone.
TEST_P(Fp8Test, OtherWeightsKeepTheirPrecision) {
  const Tensor w = random_tensor({8, 16}, 1);
  Weight weight;
  weight.view = {.data = w.data_bytes(), .dtype = DType::kF32, .rows = 8, .cols = 16};
  const Tensor x = random_tensor({4, 16}, 2);
  const Tensor in_fp8 = linear(machine_.ctx, x, weight);
  Context plain = machine_.ctx;
  plain.trains_in_fp8 = false;
  const Tensor y = linear(plain, x, weight);
  for (int64_t i = 0; i < y.count(); ++i) EXPECT_EQ(in_fp8.f32()[i], y.f32()[i]);
}

TEST_P(Fp8Test, SwigluRoundsItsInputAndItsHiddenValues) {
  constexpr int64_t kTokens = 19;
  constexpr int64_t kWidth = 150;
  constexpr int64_t kHidden = 270;
  const Stored gate(kHidden, kWidth, 1), up(kHidden, kWidth, 2), down(kWidth, kHidden, 3);
  const Tensor x = random_tensor({kTokens, kWidth}, 4, 0.1);
  const Tensor y = swiglu(machine_.ctx, x, {gate.weight, up.weight, down.weight});
  const Matrix x8 = rounded(matrix_of(x));
  const Matrix g = product(x8, gate.exact);
  const Matrix u = product(x8, up.exact);
  Matrix h = g;
  for (size_t t = 0; t < h.size(); ++t) {
    for (size_t i = 0; i < h[0].size(); ++i) h[t][i] = g[t][i] / (1 + std::exp(-g[t][i])) * u[t][i];
  }
  expect_near(y, product(rounded(h), down.exact), "y");
}

INSTANTIATE_TEST_SUITE_P(Threads, Fp8Test, testing::Values(1, 2));

}  // namespace
}  // namespace fathom::ops
