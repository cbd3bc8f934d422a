// Every instruction set's products against the plain ones on random shapes, odd sizes included; and the promise that a
// value's bits depend on its row of x and its row of w alone.

#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

using Random = std::mt19937;

struct Aligned {
  explicit Aligned(size_t bytes) : memory(std::aligned_alloc(64, (bytes + 127) / 64 * 64), &std::free) {}
  void* get() const { return memory.get(); }
  std::unique_ptr<void, decltype(&std::free)> memory;
};

// A matrix of random values whose memory ends exactly where its values end, so that a sanitizer sees reads beyond.
struct RandomMatrix {
  RandomMatrix(int64_t rows, int64_t cols, DType dtype, Random& random) {
    std::normal_distribution<float> normal;
    bytes = std::vector<uint8_t>(static_cast<size_t>(rows * cols) * dtype_bytes(dtype));
    for (int64_t i = 0; i < rows * cols; ++i) put(i, dtype, normal(random));
    view = {.data = bytes.data(), .dtype = dtype, .rows = rows, .cols = cols};
    if (dtype == DType::kF8E4M3) {
      scales.resize(static_cast<size_t>(ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock)));
      for (float& scale : scales) scale = std::exp(normal(random));
      view.scale_inv = scales.data();
    }
  }

  void put(int64_t i, DType dtype, float value) {
    uint8_t* to = bytes.data() + static_cast<size_t>(i) * dtype_bytes(dtype);
    const bf16_t b = f32_to_bf16(value);
    const f16_t h = f32_to_f16(value);
    if (dtype == DType::kF32) std::memcpy(to, &value, 4);
    if (dtype == DType::kBF16) std::memcpy(to, &b, 2);
    if (dtype == DType::kF16) std::memcpy(to, &h, 2);
    // Subnormal numbers and zeros among them, but not in each vector.
    if (dtype == DType::kF8E4M3) *to = f32_to_f8e4m3(i % 331 == 0 ? value / 128 : i % 127 == 0 ? 0 : value * 16);
  }

  std::vector<uint8_t> bytes;
  std::vector<float> scales;
  MatrixView view;
};

std::vector<float> random_values(int64_t n, Random& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(n));
  for (float& x : out) x = normal(random);
  return out;
}

// Rows `rows` of x times w^T, features [n_begin, n_end).
std::vector<float> product(const MatmulKernels& matmul, const std::vector<float>& x, const std::vector<int32_t>& rows,
                           const MatrixView& w, int64_t n_begin, int64_t n_end, int64_t pack_step) {
  const int64_t m = static_cast<int64_t>(rows.size());
  const int64_t k = w.cols;
  const Aligned packed(matmul.packed_bytes(m, k));
  std::memset(packed.get(), 0xFF, matmul.packed_bytes(m, k));
  for (int64_t begin = 0; begin < k; begin += pack_step) {
    matmul.pack({.x = x.data() + begin,
                 .x_stride = k,
                 .rows = rows.data(),
                 .m = m,
                 .k = k,
                 .k_begin = begin,
                 .k_end = std::min(k, begin + pack_step),
                 .packed = packed.get()});
  }
  std::vector<float> y(static_cast<size_t>(m * (n_end - n_begin)));
  matmul.linear({.packed_x = packed.get(),
                 .m = m,
                 .w = w,
                 .n_begin = n_begin,
                 .n_end = n_end,
                 .y = y.data(),
                 .y_stride = n_end - n_begin});
  return y;
}

std::vector<int32_t> first_rows(int64_t m) {
  std::vector<int32_t> rows(static_cast<size_t>(m));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  return rows;
}

// |x| |w| bounds what rounding may do.
float bound(Compute compute, int64_t k, float magnitude) {
  const float unit = compute == Compute::kF32 ? 0x1p-24F : 0x1p-22F;
  return unit * (4.0F + std::sqrt(static_cast<float>(k))) * magnitude;
}

constexpr DType kFormats[] = {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3};

class MatmulTest : public testing::TestWithParam<std::tuple<Isa, Compute>> {
 protected:
  void SetUp() override {
    if (isa() > best_isa()) GTEST_SKIP() << "this processor has no " << isa_name(isa());
  }
  static Isa isa() { return std::get<0>(GetParam()); }
  static Compute compute() { return std::get<1>(GetParam()); }
  static const MatmulKernels& fast() { return kernel_table(isa()).matmul[static_cast<int>(compute())]; }
  static const MatmulKernels& plain() { return reference_kernels().matmul[static_cast<int>(compute())]; }

  static void expect_near(const std::vector<float>& got, const std::vector<float>& expected, float allowed,
                          const std::string& what) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], allowed) << what << ", value " << i;
    }
  }
};

// Of a sum of `terms` products of x and w.
float magnitude_of(const RandomMatrix& w, int64_t terms) {
  float most = 1;
  for (const float scale : w.scales) most = std::max(most, 16 * scale);
  return most * 4 * std::sqrt(static_cast<float>(terms));
}

TEST_P(MatmulTest, LinearAgreesWithThePlainTwin) {
  Random random(1);
  for (int round = 0; round < 60; ++round) {
    const DType dtype = kFormats[round % 4];
    const int64_t m = 1 + random() % (round % 3 == 0 ? 70 : 9);
    const int64_t n = 1 + random() % 140;
    const int64_t k = 1 + random() % (round % 5 == 0 ? 600 : 90);
    const RandomMatrix w(n, k, dtype, random);
    const auto x = random_values(m * k, random);
    const int64_t n_begin = random() % n;
    const int64_t n_end = n_begin + 1 + random() % (n - n_begin);
    const auto got = product(fast(), x, first_rows(m), w.view, n_begin, n_end, round_up(k, kPackK));
    const auto expected = product(plain(), x, first_rows(m), w.view, n_begin, n_end, round_up(k, kPackK));
    expect_near(got, expected, bound(compute(), k, magnitude_of(w, k)),
                std::string(dtype_name(dtype)) + " m " + std::to_string(m) + " n " + std::to_string(n_begin) + ".." +
                    std::to_string(n_end) + " k " + std::to_string(k));
  }
}

TEST_P(MatmulTest, BitsDoNotDependOnNeighboursNorOnTheCut) {
  Random random(2);
  for (const DType dtype : kFormats) {
    for (const int64_t k : {64, 96, 131, 300}) {
      const int64_t m = 53;
      const int64_t n = 150;
      const RandomMatrix w(n, k, dtype, random);
      auto x = random_values(m * k, random);
      for (int64_t i = 0; i < 5 * k; ++i) x[static_cast<size_t>(i)] *= 1e-38F;  // products and sums become subnormal
      const auto whole = product(fast(), x, first_rows(m), w.view, 0, n, round_up(k, kPackK));
      for (int round = 0; round < 12; ++round) {
        // Some rows in another order, some features, packed in steps.
        std::vector<int32_t> rows(1 + random() % (round % 2 == 0 ? 4 : 40));
        for (int32_t& row : rows) row = static_cast<int32_t>(random() % m);
        const int64_t n_begin = random() % n;
        const int64_t n_end = n_begin + 1 + random() % (n - n_begin);
        const auto part = product(fast(), x, rows, w.view, n_begin, n_end, kPackK);
        for (size_t i = 0; i < part.size(); ++i) {
          const int64_t row = rows[i / static_cast<size_t>(n_end - n_begin)];
          const int64_t feature = n_begin + static_cast<int64_t>(i) % (n_end - n_begin);
          ASSERT_EQ(part[i], whole[static_cast<size_t>(row * n + feature)])
              << dtype_name(dtype) << " k " << k << " row " << row << " of " << rows.size() << " feature " << feature;
        }
      }
    }
  }
}

TEST_P(MatmulTest, AccumulateAddsToWhatIsThere) {
  Random random(3);
  const int64_t m = 20;
  const int64_t n = 40;
  const int64_t k = 64;
  const RandomMatrix w(n, k, DType::kBF16, random);
  const auto x = random_values(m * k, random);
  const auto once = product(fast(), x, first_rows(m), w.view, 0, n, k);
  const Aligned packed(fast().packed_bytes(m, k));
  fast().pack({.x = x.data(), .x_stride = k, .m = m, .k = k, .k_begin = 0, .k_end = k, .packed = packed.get()});
  auto y = random_values(m * n, random);
  const auto before = y;
  fast().linear({.packed_x = packed.get(),
                 .m = m,
                 .w = w.view,
                 .n_begin = 0,
                 .n_end = n,
                 .y = y.data(),
                 .y_stride = n,
                 .accumulate = true});
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], before[i] + once[i]);
}

// Weights of a file may begin at any byte.
TEST_P(MatmulTest, WeightsNeedNoAlignment) {
  Random random(4);
  for (const DType dtype : kFormats) {
    RandomMatrix w(33, 160, dtype, random);
    const auto x = random_values(5 * 160, random);
    const auto expected = product(fast(), x, first_rows(5), w.view, 0, 33, 160);
    std::vector<uint8_t> shifted(w.bytes.size() + 1);
    std::memcpy(shifted.data() + 1, w.bytes.data(), w.bytes.size());
    w.view.data = shifted.data() + 1;
    EXPECT_EQ(product(fast(), x, first_rows(5), w.view, 0, 33, 160), expected) << dtype_name(dtype);
  }
}

TEST_P(MatmulTest, TransposedLinearAgreesWithThePlainTwinAndKeepsItsBits) {
  Random random(5);
  for (int round = 0; round < 40; ++round) {
    const DType dtype = kFormats[round % 4];
    const int64_t m = 1 + random() % 40;
    const int64_t rows = 1 + random() % 300;
    const int64_t cols = 1 + random() % 600;
    const RandomMatrix w(rows, cols, dtype, random);
    const int64_t begin = random() % rows;
    const int64_t end = begin + 1 + random() % (rows - begin);
    const auto x = random_values(m * (end - begin), random);
    const auto run = [&](const MatmulKernels& matmul, const float* from, int64_t count) {
      std::vector<float> y(static_cast<size_t>(count * cols));
      matmul.transposed_linear({.x = from,
                                .x_stride = end - begin,
                                .m = count,
                                .w = w.view,
                                .row_begin = begin,
                                .row_end = end,
                                .y = y.data(),
                                .y_stride = cols});
      return y;
    };
    const auto got = run(fast(), x.data(), m);
    expect_near(got, run(plain(), x.data(), m), bound(compute(), end - begin, magnitude_of(w, end - begin)),
                std::string(dtype_name(dtype)) + " m " + std::to_string(m) + " rows " + std::to_string(begin) + ".." +
                    std::to_string(end) + " cols " + std::to_string(cols));
    const int64_t row = random() % m;
    const auto alone = run(fast(), x.data() + row * (end - begin), 1);
    for (int64_t c = 0; c < cols; ++c) {
      ASSERT_EQ(alone[static_cast<size_t>(c)], got[static_cast<size_t>(row * cols + c)])
          << dtype_name(dtype) << " row " << row << " of " << m << " column " << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, MatmulTest,
                         testing::Combine(testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                                          testing::Values(Compute::kF32, Compute::kBF16)),
                         [](const auto& param) {
                           return std::string(isa_name(std::get<0>(param.param))) +
                                  (std::get<1>(param.param) == Compute::kF32 ? "_f32" : "_bf16");
                         });

}  // namespace
}  // namespace fathom::kernels
