// Every instruction set against the plain twins: same bits, but for silu_mul, whose exponential is its own.

#include "kernels/rowwise.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = 1e-41F;
constexpr int64_t kCounts[] = {0, 1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 34, 63, 64, 65, 576, 1000};

// A row that starts `offset` values behind an aligned address and ends at a guard value.
class Row {
 public:
  Row(int64_t n, int offset) : n_(n), offset_(offset), values_(static_cast<size_t>(n + offset + 1), kGuard) {}
  Row(const RandomStream& random, int64_t n, int offset, uint64_t from = 0) : Row(n, offset) {
    for (int64_t i = 0; i < n; ++i) data()[i] = static_cast<float>(random.normal(from + static_cast<uint64_t>(i)));
  }
  float* data() { return values_.data() + offset_; }
  int64_t size() const { return n_; }
  bool intact() const { return values_.back() == kGuard; }

 private:
  static constexpr float kGuard = 12345.0F;
  int64_t n_;
  int offset_;
  std::vector<float> values_;
};

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

void expect_same(Row& got, Row& want) {
  EXPECT_TRUE(got.intact());
  for (int64_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(same(got.data()[i], want.data()[i])) << i << ": " << got.data()[i] << " not " << want.data()[i];
  }
}

// Puts values that arithmetic treats apart among the others.
void make_strange(Row& row, uint64_t seed) {
  constexpr float kStrange[] = {0.0F, -0.0F, kDenormal, -kDenormal, kInf, -kInf, kNan, 1e38F, -1e38F};
  for (size_t i = 0; i < std::size(kStrange) && row.size() > 0; ++i) {
    row.data()[(seed + i * 7) % static_cast<uint64_t>(row.size())] = kStrange[i];
  }
}

class RowwiseTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (GetParam() > best_isa()) GTEST_SKIP() << "this processor has " << isa_name(best_isa());
    fast_ = kernel_table(GetParam()).rowwise;
  }

  // Calls check(n, offset, strange) for all shapes.
  template <typename Check>
  static void for_shapes(Check check) {
    for (const int64_t n : kCounts) {
      for (const int offset : {0, 1, 5}) {
        for (const bool strange : {false, true}) {
          SCOPED_TRACE(testing::Message() << "n " << n << " offset " << offset << " strange " << strange);
          check(n, offset, strange);
        }
      }
    }
  }

  RowwiseKernels fast_;
  const RowwiseKernels& plain_ = reference_kernels().rowwise;
  RandomStream random_{42, 0};
};

TEST_P(RowwiseTest, NormsHaveTheBitsOfThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool strange) {
    Row x(random_, n, offset), weight(random_, n, 0, 5000), bias(random_, n, 3, 9000);
    if (strange) make_strange(x, 3);
    Row got(n, offset), want(n, offset);
    fast_.rms_norm(x.data(), weight.data(), 1e-6F, n, got.data());
    plain_.rms_norm(x.data(), weight.data(), 1e-6F, n, want.data());
    expect_same(got, want);
    fast_.layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, n, got.data());
    plain_.layer_norm(x.data(), weight.data(), bias.data(), 1e-6F, n, want.data());
    expect_same(got, want);
  });
}

TEST_P(RowwiseTest, NormsWorkInPlace) {
  Row x(random_, 100, 0), weight(random_, 100, 0, 500), want(100, 0);
  plain_.rms_norm(x.data(), weight.data(), 1e-6F, 100, want.data());
  fast_.rms_norm(x.data(), weight.data(), 1e-6F, 100, x.data());
  expect_same(x, want);
}

TEST_P(RowwiseTest, DotAndAddScaledHaveTheBitsOfThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool strange) {
    Row a(random_, n, offset), b(random_, n, 1, 5000);
    if (strange) make_strange(a, 1);
    EXPECT_TRUE(same(fast_.dot(a.data(), b.data(), n), plain_.dot(a.data(), b.data(), n)));
    Row got = b, want = b;
    fast_.add_scaled(a.data(), 0.3F, n, got.data());
    plain_.add_scaled(a.data(), 0.3F, n, want.data());
    expect_same(got, want);
  });
}

TEST_P(RowwiseTest, RopeHasTheBitsOfThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool strange) {
    n -= n % 2;
    Row x(random_, n, offset), cos(n / 2, 0), sin(n / 2, 1);
    for (int64_t i = 0; i < n / 2; ++i) {
      cos.data()[i] = std::cos(static_cast<float>(i));
      sin.data()[i] = std::sin(static_cast<float>(i));
    }
    if (strange) make_strange(x, 2);
    for (const auto rope : {&RowwiseKernels::rope_interleaved, &RowwiseKernels::rope_halves}) {
      Row got = x, want = x;
      (fast_.*rope)(got.data(), cos.data(), sin.data(), n);
      (plain_.*rope)(want.data(), cos.data(), sin.data(), n);
      expect_same(got, want);
    }
  });
}

// Every pattern of each type, from every misalignment that its bytes allow.
TEST_P(RowwiseTest, WidenHasTheBitsOfThePlainTwin) {
  for (const DType type : {DType::kBF16, DType::kF16, DType::kF8E4M3, DType::kF32}) {
    const size_t patterns = dtype_bytes(type) == 1 ? 256 : 65536;
    std::vector<unsigned char> bytes(patterns * dtype_bytes(type) + 1);
    for (size_t i = 0; i < patterns; ++i) {
      const auto pattern = static_cast<uint32_t>(type == DType::kF32 ? random_.bits(i) : i);
      std::memcpy(bytes.data() + 1 + i * dtype_bytes(type), &pattern, dtype_bytes(type));
    }
    for (const float scale : {1.0F, 0.37F}) {
      for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{15}, int64_t{17}, static_cast<int64_t>(patterns)}) {
        SCOPED_TRACE(testing::Message() << dtype_name(type) << " n " << n);
        Row got(n, 1), want(n, 1);
        fast_.widen(bytes.data() + 1, type, scale, n, got.data());
        plain_.widen(bytes.data() + 1, type, scale, n, want.data());
        expect_same(got, want);
      }
    }
  }
}

TEST_P(RowwiseTest, ToBf16HasTheBitsOfThePlainTwin) {
  constexpr int64_t kCount = 100000;
  Row x(kCount, 1);
  for (int64_t i = 0; i < kCount; ++i) {
    x.data()[i] = std::bit_cast<float>(static_cast<uint32_t>(random_.bits(static_cast<uint64_t>(i))));
  }
  // Ties both ways, the last finite values, NaN whose payload lies in the dropped half.
  constexpr uint32_t kPatterns[] = {0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0xFF7FFFFF,
                                    0x7F800000, 0xFF800000, 0x7F800001, 0xFFFFFFFF, 0x00000001, 0x80008000};
  for (size_t i = 0; i < std::size(kPatterns); ++i) x.data()[i] = std::bit_cast<float>(kPatterns[i]);
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{15}, int64_t{16}, int64_t{33}, kCount}) {
    std::vector<bf16_t> got(static_cast<size_t>(n) + 2, 7), want(static_cast<size_t>(n) + 2, 7);
    fast_.to_bf16(x.data(), n, got.data() + 1);
    plain_.to_bf16(x.data(), n, want.data() + 1);
    EXPECT_EQ(got, want) << n;
  }
}

TEST_P(RowwiseTest, LargestAndSoftmaxBackwardHaveTheBitsOfThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool) {
    Row x(random_, n, offset), dp(random_, n, 1, 5000);
    EXPECT_TRUE(same(fast_.largest(x.data(), n), plain_.largest(x.data(), n)));
    for (int64_t i = 0; i < n; ++i) x.data()[i] -= 10;  // all below zero: lanes behind the end must not count
    EXPECT_TRUE(same(fast_.largest(x.data(), n), plain_.largest(x.data(), n)));
    Row got = dp, want = dp;
    fast_.softmax_backward(x.data(), 0.3F, 0.7F, n, got.data());
    plain_.softmax_backward(x.data(), 0.3F, 0.7F, n, want.data());
    expect_same(got, want);
  });
}

TEST_P(RowwiseTest, NormBackwardHasTheBitsOfThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool) {
    Row x(random_, n, offset), weight(random_, n, 2, 5000), dy(random_, n, 1, 6000), dx(random_, n, offset, 7000);
    Row got = dx, want = dx;
    fast_.rms_norm_backward(x.data(), weight.data(), dy.data(), 0.7F, n, got.data());
    plain_.rms_norm_backward(x.data(), weight.data(), dy.data(), 0.7F, n, want.data());
    expect_same(got, want);
    fast_.add_product(x.data(), dy.data(), 0.3F, n, got.data());
    plain_.add_product(x.data(), dy.data(), 0.3F, n, want.data());
    expect_same(got, want);
  });
}

void expect_near(Row& got, Row& want) {
  EXPECT_TRUE(got.intact());
  for (int64_t i = 0; i < want.size(); ++i) {
    const float a = got.data()[i], b = want.data()[i];
    ASSERT_LE(std::fabs(a - b), 1e-6F * (std::fabs(b) + 1e-3F)) << i;
  }
}

TEST_P(RowwiseTest, ExpSumIsNearThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool) {
    Row got(random_, n, offset);
    if (n > 3) got.data()[2] = -kInf;  // a position that is not seen
    Row want = got;
    const float sum = fast_.exp_sum(got.data(), 1.5F, n);
    const float plain_sum = plain_.exp_sum(want.data(), 1.5F, n);
    EXPECT_NEAR(sum, plain_sum, 1e-6F * plain_sum);
    if (n > 3) {
      EXPECT_EQ(got.data()[2], 0.0F);
    }
    expect_near(got, want);
  });
}

TEST_P(RowwiseTest, SiluMulBackwardIsNearThePlainTwin) {
  for_shapes([&](int64_t n, int offset, bool) {
    Row gate(random_, n, offset), up(random_, n, 1, 5000), dh(random_, n, 0, 9000);
    Row got[3] = {{n, 0}, {n, 1}, {n, 2}}, want[3] = {{n, 0}, {n, 1}, {n, 2}};
    fast_.silu_mul_backward(gate.data(), up.data(), dh.data(), 0.6F, n, got[0].data(), got[1].data(), got[2].data());
    plain_.silu_mul_backward(gate.data(), up.data(), dh.data(), 0.6F, n, want[0].data(), want[1].data(),
                             want[2].data());
    for (int i = 0; i < 3; ++i) expect_near(got[i], want[i]);
  });
}

// |got - want| in units of want's last place.
double ulps(float got, double want) {
  const float nearest = static_cast<float>(want);
  const double place = static_cast<double>(std::nextafter(std::fabs(nearest), kInf)) - std::fabs(nearest);
  return std::fabs(static_cast<double>(got) - want) / place;
}

TEST_P(RowwiseTest, SiluIsWithinAFewUlp) {
  // Between these, 1 + exp(-v) is finite and the quotient a normal number.
  constexpr int64_t kCount = 1000000;
  Row gate(kCount, 1), up(kCount, 0), got(kCount, 0);
  for (int64_t i = 0; i < kCount; ++i) {
    gate.data()[i] = static_cast<float>(random_.uniform(static_cast<uint64_t>(i)) * 180 - 80);
    up.data()[i] = 1.0F;
  }
  fast_.silu_mul(gate.data(), up.data(), kCount, got.data());
  double worst = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    const double v = gate.data()[i];
    worst = std::max(worst, ulps(got.data()[i], v / (1 + std::exp(-v))));
  }
  // 1 for the exponential, half each for sum and quotient; an ulp of one may be two of another. Measured: 2.19.
  EXPECT_LT(worst, 2.5);
}

TEST_P(RowwiseTest, SiluOfStrangeValues) {
  for_shapes([&](int64_t n, int offset, bool strange) {
    Row gate(random_, n, offset), up(random_, n, 1, 5000);
    if (strange) make_strange(gate, 5);
    Row got(n, offset), want(n, offset);
    fast_.silu_mul(gate.data(), up.data(), n, got.data());
    plain_.silu_mul(gate.data(), up.data(), n, want.data());
    EXPECT_TRUE(got.intact());
    for (int64_t i = 0; i < n; ++i) {
      const float a = got.data()[i], b = want.data()[i];
      ASSERT_TRUE(same(a, b) || std::fabs(a - b) <= 4e-7F * std::fabs(b)) << gate.data()[i] << ": " << a << " " << b;
    }
  });
  Row gate(6, 0), up(6, 0), got(6, 0);
  const float values[] = {1000.0F, -1000.0F, -89.0F, -104.0F, kInf, kNan};
  for (int i = 0; i < 6; ++i) {
    gate.data()[i] = values[i];
    up.data()[i] = 1.0F;
  }
  fast_.silu_mul(gate.data(), up.data(), 6, got.data());
  EXPECT_EQ(got.data()[0], 1000.0F);
  EXPECT_TRUE(same(got.data()[1], -0.0F));
  EXPECT_TRUE(same(got.data()[2], -0.0F));
  EXPECT_TRUE(same(got.data()[3], -0.0F));
  EXPECT_EQ(got.data()[4], kInf);
  EXPECT_TRUE(std::isnan(got.data()[5]));
}

// The exponential is the same sequence of roundings everywhere.
TEST(Rowwise, SiluHasTheSameBitsOnAllVectorSets) {
  if (best_isa() < Isa::kAvx512) GTEST_SKIP();
  constexpr int64_t kCount = 100000;
  Row gate(kCount, 0), up(kCount, 0), a(kCount, 0), b(kCount, 0);
  const RandomStream random(7, 0);
  for (int64_t i = 0; i < kCount; ++i) {
    gate.data()[i] = std::bit_cast<float>(static_cast<uint32_t>(random.bits(static_cast<uint64_t>(i))));
    if (i % 2 == 0) gate.data()[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)) * 50);
    up.data()[i] = 1.0F;
  }
  kernel_table(Isa::kAvx2).rowwise.silu_mul(gate.data(), up.data(), kCount, a.data());
  kernel_table(Isa::kAvx512).rowwise.silu_mul(gate.data(), up.data(), kCount, b.data());
  expect_same(a, b);
}

INSTANTIATE_TEST_SUITE_P(Isas, RowwiseTest, testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                         [](const auto& isa) { return std::string(isa_name(isa.param)); });

}  // namespace
}  // namespace fathom::kernels
