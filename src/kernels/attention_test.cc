// Every instruction set's latent attention against the plain one on random shapes, and the promise that a row's bits
// depend on neither the other rows of its call nor on keys that it does not see.

#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/blocks.h"

namespace fathom::kernels {
namespace {

using Random = std::mt19937;

// A cache of random keys in pages, and queries.
struct Problem {
  Problem(Compute compute, int64_t latent_dim, int64_t rope_dim, int64_t key_count, int row_count, Random& random)
      : latent(latent_dim), rope(rope_dim), keys(key_count), rows(row_count) {
    std::normal_distribution<float> normal;
    const int64_t width = latent + rope;
    q.resize(static_cast<size_t>(rows * width));
    // Scores of a few units, as a softmax meets them.
    for (float& x : q) x = normal(random) * 2 / std::sqrt(static_cast<float>(width));
    for (int64_t page = 0; page < ceil_div(keys, kPageTokens); ++page) {
      std::vector<uint8_t> bytes(static_cast<size_t>(kPageTokens * width) * (compute == Compute::kF32 ? 4 : 2));
      // What is behind the last key is never looked at.
      std::fill(bytes.begin(), bytes.end(), uint8_t{0xFF});
      for (int64_t i = 0; i < std::min(kPageTokens, keys - page * kPageTokens) * width; ++i) {
        const float value = normal(random);
        const bf16_t half = f32_to_bf16(value);
        if (compute == Compute::kF32) std::memcpy(bytes.data() + i * 4, &value, 4);
        if (compute == Compute::kBF16) std::memcpy(bytes.data() + i * 2, &half, 2);
      }
      storage.push_back(std::move(bytes));
    }
    for (const auto& page : storage) pages.push_back(page.data());
    limits.resize(static_cast<size_t>(rows));
    for (int64_t& limit : limits) limit = static_cast<int64_t>(random() % static_cast<uint64_t>(keys + 1));
    limits[random() % limits.size()] = keys;
  }

  int64_t latent;
  int64_t rope;
  int64_t keys;
  int rows;
  std::vector<float> q;
  std::vector<std::vector<uint8_t>> storage;
  std::vector<const void*> pages;
  std::vector<int64_t> limits;
};

struct Result {
  std::vector<float> max;
  std::vector<float> sum;
  std::vector<float> out;
};

// Rows [row, row + rows) over the part that begins at key_begin.
Result run(const AttentionKernels& kernels, const Problem& p, int row, int rows, int64_t key_begin, int64_t key_end) {
  Result r;
  r.max.resize(static_cast<size_t>(rows));
  r.sum.resize(static_cast<size_t>(rows));
  r.out.resize(static_cast<size_t>(rows * p.latent));
  kernels.latent_attention({.q = p.q.data() + row * (p.latent + p.rope),
                            .q_stride = p.latent + p.rope,
                            .rows = rows,
                            .latent = p.latent,
                            .rope = p.rope,
                            .pages = p.pages.data(),
                            .key_begin = key_begin,
                            .key_end = key_end,
                            .limits = p.limits.data() + row,
                            .max = r.max.data(),
                            .sum = r.sum.data(),
                            .out = r.out.data()});
  return r;
}

class AttentionTest : public testing::TestWithParam<std::tuple<Isa, Compute>> {
 protected:
  void SetUp() override {
    if (isa() > best_isa()) GTEST_SKIP() << "this processor has no " << isa_name(isa());
  }
  static Isa isa() { return std::get<0>(GetParam()); }
  static Compute compute() { return std::get<1>(GetParam()); }
  static const AttentionKernels& fast() { return kernel_table(isa()).attention[static_cast<int>(compute())]; }
  static const AttentionKernels& plain() { return reference_kernels().attention[static_cast<int>(compute())]; }
};

TEST_P(AttentionTest, AgreesWithThePlainTwin) {
  Random random(1);
  for (int round = 0; round < 40; ++round) {
    const auto latent = static_cast<int64_t>(1 + random() % (round % 4 == 0 ? 520 : 80));
    const auto rope = static_cast<int64_t>(random() % 70);
    const auto keys = static_cast<int64_t>(1 + random() % (round % 3 == 0 ? 1100 : 150));
    const int rows = static_cast<int>(1 + random() % kMaxQueryRows);
    const Problem p(compute(), latent, rope, keys, rows, random);
    const auto parts = static_cast<uint64_t>(ceil_div(keys, kAttentionPart));
    const int64_t begin = static_cast<int64_t>(random() % parts) * kAttentionPart;
    const int64_t end = std::min(keys, begin + kAttentionPart);
    const Result got = run(fast(), p, 0, rows, begin, end);
    const Result expected = run(plain(), p, 0, rows, begin, end);
    const std::string where = "latent " + std::to_string(latent) + " rope " + std::to_string(rope) + " keys " +
                              std::to_string(begin) + ".." + std::to_string(end) + " rows " + std::to_string(rows);
    // A weight that sits between two BF16 numbers may be rounded to either.
    const float unit = compute() == Compute::kF32 ? 0x1p-20F : 0x1p-9F;
    for (int row = 0; row < rows; ++row) {
      const auto r = static_cast<size_t>(row);
      if (p.limits[r] <= begin) {
        ASSERT_EQ(got.max[r], -std::numeric_limits<float>::infinity()) << where;
        ASSERT_EQ(got.sum[r], 0) << where;
      } else {
        ASSERT_NEAR(got.max[r], expected.max[r], 1e-4F) << where;
        ASSERT_NEAR(got.sum[r], expected.sum[r], 1e-4F * expected.sum[r]) << where;
      }
      for (int64_t i = 0; i < latent; ++i) {
        const auto at = static_cast<size_t>(row * latent + i);
        ASSERT_NEAR(got.out[at], expected.out[at], unit * 8 * (1 + expected.sum[r])) << where << " row " << row;
      }
    }
  }
}

TEST_P(AttentionTest, BitsDoNotDependOnOtherRowsNorOnUnseenKeys) {
  Random random(2);
  for (int round = 0; round < 10; ++round) {
    const int rows = static_cast<int>(2 + random() % (kMaxQueryRows - 1));
    const Problem p(compute(), round % 2 == 0 ? 512 : 40, 24, static_cast<int64_t>(1 + random() % 500), rows, random);
    const Result together = run(fast(), p, 0, rows, 0, p.keys);
    for (int row = 0; row < rows; ++row) {
      const auto r = static_cast<size_t>(row);
      const Result alone = run(fast(), p, row, 1, 0, std::max<int64_t>(1, p.limits[r]));
      ASSERT_EQ(alone.max[0], together.max[r]);
      ASSERT_EQ(alone.sum[0], together.sum[r]);
      for (int64_t i = 0; i < p.latent; ++i) {
        ASSERT_EQ(alone.out[static_cast<size_t>(i)], together.out[static_cast<size_t>(row * p.latent + i)])
            << "row " << row << " of " << rows << " limit " << p.limits[r];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionTest,
                         testing::Combine(testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                                          testing::Values(Compute::kF32, Compute::kBF16)),
                         [](const auto& param) {
                           return std::string(isa_name(std::get<0>(param.param))) +
                                  (std::get<1>(param.param) == Compute::kF32 ? "_f32" : "_bf16");
                         });

}  // namespace
}  // namespace fathom::kernels
