// Every instruction set's products of packed factors against the plain ones on random shapes, odd sizes included; from
// rows as they lie, turned and chosen; in pieces and at once.

#include "kernels/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

using Random = std::mt19937;

struct Factor {
  std::vector<float> x;
  std::vector<int32_t> chosen;
  int64_t rows;
  int64_t cols;
};

// `rows` x `cols` values, in twice as many rows of which some are chosen.
Factor random_factor(int64_t rows, int64_t cols, bool chooses, Random& random) {
  std::normal_distribution<float> normal;
  Factor out = {std::vector<float>(static_cast<size_t>((chooses ? 2 * rows : rows) * cols)), {}, rows, cols};
  for (float& x : out.x) x = normal(random);
  if (chooses) {
    for (int64_t i = 0; i < rows; ++i)
      out.chosen.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(2 * rows)));
  }
  return out;
}

std::shared_ptr<std::byte> aligned(size_t bytes) {
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  std::memset(memory, 0xFF, bytes);
  return {memory, &std::free};
}

std::shared_ptr<std::byte> packed(void (*pack)(const FactorArgs&) noexcept, size_t bytes, const Factor& f) {
  auto memory = aligned(bytes);
  pack({.x = f.x.data(),
        .x_stride = f.cols,
        .chosen = f.chosen.empty() ? nullptr : f.chosen.data(),
        .rows = f.rows,
        .cols = f.cols,
        .packed = memory.get()});
  return memory;
}

struct Problem {
  int64_t m, n, k;
  bool left_turned, right_turned;
  Factor left, right;

  std::shared_ptr<std::byte> pack_left(const ProductKernels& p) const {
    return packed(left_turned ? p.pack_left_turned : p.pack_left, p.left_bytes(m, k), left);
  }
  std::shared_ptr<std::byte> pack_right(const ProductKernels& p) const {
    return packed(right_turned ? p.pack_right_turned : p.pack_right, p.right_bytes(n, k), right);
  }
};

Problem random_problem(Random& random) {
  const auto size = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(most)); };
  Problem p = {size(70), size(70), size(150), random() % 2 == 0, random() % 2 == 0, {}, {}};
  p.left = random_factor(p.left_turned ? p.k : p.m, p.left_turned ? p.m : p.k, random() % 2 == 0, random);
  p.right = random_factor(p.right_turned ? p.n : p.k, p.right_turned ? p.k : p.n, random() % 2 == 0, random);
  return p;
}

class ProductTest : public testing::TestWithParam<std::tuple<Isa, Compute>> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam()) > best_isa()) GTEST_SKIP();
  }
  static const ProductKernels& of(const KernelTable& table) {
    return table.product[static_cast<int>(std::get<1>(GetParam()))];
  }
  static const ProductKernels& fast() { return of(kernel_table(std::get<0>(GetParam()))); }
  static const ProductKernels& plain() { return of(reference_kernels()); }
};

std::vector<float> whole_product(const ProductKernels& kernels, const Problem& p, std::vector<float> y,
                                 bool accumulate) {
  const auto left = p.pack_left(kernels);
  const auto right = p.pack_right(kernels);
  kernels.multiply({.left = left.get(),
                    .right = right.get(),
                    .left_k = p.k,
                    .right_k = p.k,
                    .m = p.m,
                    .n = p.n,
                    .k = p.k,
                    .y = y.data(),
                    .y_stride = p.n,
                    .accumulate = accumulate});
  return y;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected, int64_t k) {
  const float allowed = 0x1p-21F * (4 + static_cast<float>(k));
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], allowed) << "value " << i;
}

TEST_P(ProductTest, EqualsThePlainOne) {
  Random random(1);
  for (int round = 0; round < 60; ++round) {
    const Problem p = random_problem(random);
    SCOPED_TRACE(testing::Message() << p.m << " x " << p.n << " x " << p.k << " turned " << p.left_turned << " "
                                    << p.right_turned);
    std::vector<float> y(static_cast<size_t>(p.m * p.n), 0.5F);
    for (const bool accumulate : {false, true}) {
      expect_near(whole_product(fast(), p, y, accumulate), whole_product(plain(), p, y, accumulate), p.k);
    }
  }
}

// Ranges of rows of A, of columns of B and of depth, cut at the grain.
TEST_P(ProductTest, PiecesGiveTheWhole) {
  Random random(2);
  for (int round = 0; round < 20; ++round) {
    const Problem p = random_problem(random);
    const auto left = p.pack_left(fast());
    const auto right = p.pack_right(fast());
    std::vector<float> y(static_cast<size_t>(p.m * p.n), 0.0F);
    for (int64_t k = 0; k < p.k; k += 2 * kProductGrain) {
      for (int64_t m = 0; m < p.m; m += kProductGrain) {
        for (int64_t n = 0; n < p.n; n += kProductGrain) {
          fast().multiply({.left = left.get() + fast().left_bytes(m, p.k) + fast().left_depth(k),
                           .right = right.get() + fast().right_bytes(n, p.k) + fast().right_depth(k),
                           .left_k = p.k,
                           .right_k = p.k,
                           .m = std::min(kProductGrain, p.m - m),
                           .n = std::min(kProductGrain, p.n - n),
                           .k = std::min(2 * kProductGrain, p.k - k),
                           .y = y.data() + m * p.n + n,
                           .y_stride = p.n,
                           .accumulate = k > 0});
        }
      }
    }
    expect_near(y, whole_product(plain(), p, y, false), p.k);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProductTest,
                         testing::Combine(testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                                          testing::Values(Compute::kF32, Compute::kBF16)));

}  // namespace
}  // namespace fathom::kernels
