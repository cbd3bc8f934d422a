// The small parts of the base: errors, checks, processor levels, random streams, messages.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"

namespace fathom {
namespace {

TEST(Error, TextHasPlaceThingAndRemedy) {
  EXPECT_STREQ(Error(ErrorCode::kIo, "broke").what(), "broke");
  EXPECT_STREQ(Error(ErrorCode::kIo, "broke", "file").what(), "file: broke");
  EXPECT_STREQ(Error(ErrorCode::kIo, "broke", "file", "mend it").what(), "file: broke (mend it)");
  EXPECT_STREQ(Error(ErrorCode::kIo, "broke", "", "mend it").what(), "broke (mend it)");
}

TEST(Error, GainsContextFloorByFloor) {
  const Error inner(ErrorCode::kUnsupported, "broke", "tensor x", "mend it");
  const Error outer = inner.within("while loading f").within("model");
  EXPECT_STREQ(outer.what(), "model: while loading f: tensor x: broke (mend it)");
  EXPECT_EQ(outer.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(outer.hint(), "mend it");
  EXPECT_STREQ(Error(ErrorCode::kIo, "broke").within("there").what(), "there: broke");
}

TEST(Error, FailFormats) {
  try {
    fail(ErrorCode::kNotFound, "place", "{} of {}", 3, "four");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNotFound);
    EXPECT_STREQ(e.what(), "place: 3 of four");
  }
}

TEST(CheckDeathTest, PrintsConditionAndValues) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(FATHOM_CHECK(1 + 1 == 3), "broken invariant: 1 \\+ 1 == 3");
  EXPECT_DEATH(FATHOM_CHECK_MSG(false, "a {} b {}", 1, "two"), "broken invariant: false a 1 b two");
  FATHOM_CHECK(true);
}

class FathomIsa : public testing::Test {
 protected:
  FathomIsa() {
    if (const char* old = std::getenv("FATHOM_ISA")) old_ = old;
  }
  ~FathomIsa() override { ::setenv("FATHOM_ISA", old_.c_str(), 1); }
  std::string old_;
};

TEST_F(FathomIsa, BoundsTheLevel) {
  for (const Isa isa : {Isa::kPlain, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
    ::setenv("FATHOM_ISA", std::string(isa_name(isa)).c_str(), 1);
    EXPECT_EQ(chosen_isa(), std::min(isa, best_isa()));
  }
  ::setenv("FATHOM_ISA", "", 1);
  EXPECT_EQ(chosen_isa(), best_isa());
  ::unsetenv("FATHOM_ISA");
  EXPECT_EQ(chosen_isa(), best_isa());
}

TEST_F(FathomIsa, RefusesOtherNames) {
  for (const char* name : {"AVX2", "sse", "avx2 ", "avx", "amx2"}) {
    ::setenv("FATHOM_ISA", name, 1);
    EXPECT_THROW(chosen_isa(), Error) << name;
  }
}

TEST(Random, IsAFunctionOfSeedStreamAndIndex) {
  const RandomStream a(1, 2);
  const RandomStream b(1, 2);
  const uint64_t late = a.bits(1000);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(a.bits(i), b.bits(i));
  EXPECT_EQ(b.bits(1000), late);
}

TEST(Random, StreamsAndSeedsDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (uint64_t stream = 0; stream < 20; ++stream) {
      for (uint64_t index = 0; index < 20; ++index) seen.insert(RandomStream(seed, stream).bits(index));
    }
  }
  EXPECT_EQ(seen.size(), 8000U);
}

TEST(Random, UniformIsUniformAndOpen) {
  // Over indices of one stream, and over streams at one index: sampling walks both ways.
  for (const bool by_stream : {false, true}) {
    constexpr int kBins = 20;
    constexpr int kDraws = 100000;
    std::vector<int> bins(kBins, 0);
    double sum = 0;
    for (uint64_t i = 0; i < kDraws; ++i) {
      const double u = by_stream ? RandomStream(7, i).uniform(3) : RandomStream(7, 3).uniform(i);
      ASSERT_GT(u, 0.0);
      ASSERT_LT(u, 1.0);
      ++bins[static_cast<size_t>(u * kBins)];
      sum += u;
    }
    double chi = 0;
    for (const int count : bins) chi += std::pow(count - kDraws / kBins, 2) / (kDraws / kBins);
    EXPECT_LT(chi, 43.8) << "19 degrees of freedom, p = 0.001";
    EXPECT_NEAR(sum / kDraws, 0.5, 0.005);
  }
}

TEST(Random, NormalHasUnitVariance) {
  const RandomStream random(3, 0);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double x = random.normal(i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

TEST(Messages, AreQuietWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress("prefill", 10);
    for (int64_t i = 0; i <= 10; ++i) progress.update(i);
    Progress endless("tokens", 0);
    endless.update(5);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Messages, LogGoesThroughItsLevel) {
  testing::internal::CaptureStderr();
  log::set_level(log::Level::kWarning);
  log::info("hidden {}", 1);
  log::warning("shown {}", 2);
  log::write(log::Level::kError, "braces {} stay");
  log::set_level(log::Level::kInfo);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_NE(text.find("shown 2"), std::string::npos);
  EXPECT_NE(text.find("braces {} stay"), std::string::npos);
}

TEST(Error, IsOneLineWhateverTheNamesHold) {
  EXPECT_STREQ(Error(ErrorCode::kInvalidData, "a\nb", "c\x1b[31m", "d\r").what(), "c\\x1b[31m: a\\x0ab (d\\x0d)");
}

}  // namespace
}  // namespace fathom
