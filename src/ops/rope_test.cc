#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fathom::ops {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Angles {
  std::vector<float> cos, sin;
  Angles(const Rope& rope, int64_t position)
      : cos(static_cast<size_t>(rope.dim() / 2)), sin(static_cast<size_t>(rope.dim() / 2)) {
    rope.angles(position, cos.data(), sin.data());
  }
};

TEST(Rope, PlainFrequencies) {
  const Rope rope(64, 10000, std::nullopt);
  EXPECT_EQ(rope.dim(), 64);
  EXPECT_EQ(rope.softmax_factor(), 1.0);
  for (const int64_t position : {0, 1, 17, 4095, 163839}) {
    const Angles a(rope, position);
    for (int i = 0; i < 32; ++i) {
      const double angle = static_cast<double>(position) / std::pow(10000.0, 2.0 * i / 64.0);
      EXPECT_NEAR(a.cos[static_cast<size_t>(i)], std::cos(angle), 1e-6);
      EXPECT_NEAR(a.sin[static_cast<size_t>(i)], std::sin(angle), 1e-6);
    }
  }
}

// YaRN, section 3.2 "NTK-by-parts": a pair that turns r = L / wavelength times within the original context keeps its
// frequency for r >= beta_fast, is divided by the factor for r <= beta_slow, and lies between for the pairs between.
// The published code places the ramp by (rounded) pair index instead of r; re-derived here from wavelengths.
TEST(Rope, YarnRamp) {
  const YarnParams yarn{40, 32, 1, 1.0, 1.0, 4096};
  const Rope rope(64, 10000, yarn);
  const auto wave = [](double pair) { return 2 * kPi * std::pow(10000.0, 2 * pair / 64); };
  // The real-valued pairs at which the wave turns 32 times and once within the context, by bisection.
  const auto pair_of = [&](double turns) {
    double low = 0;
    double high = 64;
    for (int i = 0; i < 100; ++i) (4096 / wave((low + high) / 2) > turns ? low : high) = (low + high) / 2;
    return low;
  };
  const double first = std::floor(pair_of(32));
  const double last = std::ceil(pair_of(1));
  EXPECT_EQ(first, 10);
  EXPECT_EQ(last, 23);
  const int64_t position = 777;
  const Angles a(rope, position);
  for (int i = 0; i < 32; ++i) {
    const double share = std::min(1.0, std::max(0.0, (i - first) / (last - first)));
    const double plain = 2 * kPi / wave(i);
    const double frequency = plain * (1 - share) + plain / 40 * share;
    EXPECT_NEAR(a.cos[static_cast<size_t>(i)], std::cos(position * frequency), 1e-6) << i;
    EXPECT_NEAR(a.sin[static_cast<size_t>(i)], std::sin(position * frequency), 1e-6) << i;
  }
}

TEST(Rope, YarnMagnitudes) {
  const double all = 0.1 * 0.707 * std::log(40.0) + 1;
  const Rope lite(64, 10000, YarnParams{40, 32, 1, 0.707, 0.707, 4096});
  EXPECT_NEAR(lite.softmax_factor(), all * all, 1e-12);
  EXPECT_EQ(Angles(lite, 0).cos[0], 1.0F) << "equal mscales cancel";

  const Rope uneven(64, 10000, YarnParams{40, 32, 1, 1.0, 0.707, 4096});
  EXPECT_NEAR(Angles(uneven, 0).cos[5], (0.1 * std::log(40.0) + 1) / all, 1e-6);
  EXPECT_NEAR(uneven.softmax_factor(), all * all, 1e-12);

  const Rope none(64, 10000, YarnParams{40, 32, 1, 1.0, 0.0, 4096});
  EXPECT_EQ(none.softmax_factor(), 1.0);
  EXPECT_NEAR(Angles(none, 0).cos[0], 0.1 * std::log(40.0) + 1, 1e-6);

  const Rope factor_one(64, 10000, YarnParams{1, 32, 1, 1.0, 1.0, 4096});
  EXPECT_EQ(factor_one.softmax_factor(), 1.0);
  const Angles a(factor_one, 100);
  const Angles b(Rope(64, 10000, std::nullopt), 100);
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(a.cos[i], b.cos[i], 1e-6);
}

// A context so short that both ends of the ramp fall on one pair.
TEST(Rope, YarnRampWithoutWidth) {
  const Rope rope(8, 10000, YarnParams{4, 1, 1, 1.0, 1.0, 4});
  const Angles a(rope, 3);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(std::isfinite(a.cos[i]) && std::isfinite(a.sin[i]));
}

TEST(Rope, WithoutDimensions) {
  EXPECT_EQ(Rope().dim(), 0);
  Rope().angles(3, nullptr, nullptr);
}

}  // namespace
}  // namespace fathom::ops
