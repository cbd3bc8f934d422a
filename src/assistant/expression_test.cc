#include "assistant/expression.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

namespace fathom::assistant {
namespace {

std::string value_of(std::string_view expression) {
  const Evaluation result = evaluate(expression);
  EXPECT_FALSE(result.is_error) << expression << ": " << result.text;
  return result.text;
}

std::string error_of(std::string_view expression) {
  const Evaluation result = evaluate(expression);
  EXPECT_TRUE(result.is_error) << expression << " = " << result.text;
  return result.text;
}

TEST(Expression, IsReadAsPeopleWriteIt) {
  const struct {
    const char* text;
    const char* value;
  } cases[] = {
      {"12*(3+4)", "84"}, {"1304-24*26", "680"}, {" 2 + 3 ", "5"},
      {"7", "7"},         {"-3", "-3"},          {"--3", "3"},
      {"+3", "3"},        {"2*-3", "-6"},        {"10-2-3", "5"},
      {"100/10/5", "2"},  {"2**10", "1024"},     {"2^10", "1024"},
      {"2^3^2", "512"},   {"-2^2", "-4"},        {"(-2)^2", "4"},
      {"2**-1", "0.5"},   {"2^-2^0", "0.5"},     {"0^0", "1"},
      {"7%3", "1"},       {"-7%3", "2"},         {"7%-3", "-2"},
      {"-7%-3", "-1"},    {"5.5%2", "1.5"},      {"6×7", "42"},
      {"84÷2", "42"},     {"5−7", "-2"},         {".5+.5", "1"},
      {"1.", "1"},        {"((((1))))", "1"},    {"3*(2+(4-1))**2", "75"},
      {"1 000", nullptr}, {"007", "7"},          {"(-1)^100000001", "-1"},
      {"-0", "0"},
  };
  for (const auto& each : cases) {
    if (each.value == nullptr) {
      error_of(each.text);
    } else {
      EXPECT_EQ(value_of(each.text), each.value) << each.text;
    }
  }
}

TEST(Expression, FractionsStayExact) {
  EXPECT_EQ(value_of("0.1+0.2"), "0.3");
  EXPECT_EQ(value_of("1/3*3"), "1");
  EXPECT_EQ(value_of("1/3"), "0.3333333333");
  EXPECT_EQ(value_of("2/3"), "0.6666666667");
  EXPECT_EQ(value_of("-10/4"), "-2.5");
  EXPECT_EQ(value_of("-1/2"), "-0.5");
  EXPECT_EQ(value_of("1.10*3"), "3.3");
  EXPECT_EQ(value_of("12345678901.5"), "12345678901.5");
  EXPECT_EQ(value_of("100000000001/3"), "33333333334");
  EXPECT_EQ(value_of("1/3000000"), "3.333333333e-07");
  EXPECT_EQ(value_of("9^0.5"), "3");
  EXPECT_EQ(value_of("27^(1/3)"), "3");
  EXPECT_EQ(value_of("2^0.5"), "1.414213562");
  EXPECT_EQ(value_of("(2^0.5)^2"), "2");
  EXPECT_EQ(value_of("(1/2)^3"), "0.125");
}

TEST(Expression, WholeNumbersArePrintedInFull) {
  EXPECT_EQ(value_of("9999999999*9999999999"), "99999999980000000001");
  EXPECT_EQ(value_of("2^126"), "85070591730234615865843651857942052864");
  EXPECT_EQ(value_of("2^126-1+2^126"), "170141183460469231731687303715884105727");
  EXPECT_EQ(value_of("-(2^126-1+2^126)"), "-170141183460469231731687303715884105727");
  EXPECT_EQ(value_of("2^127"), "1.701411835e+38");
  EXPECT_EQ(value_of("-2^127"), "-1.701411835e+38");
  EXPECT_EQ(value_of("2^200/2^200"), "1");
  EXPECT_EQ(value_of("1000000000000000000000000000000000000000"), "1e+39");
  EXPECT_EQ(value_of("0.0000000000000000000000000000000000000000001"), "1e-43");
}

TEST(Expression, WhatHasNoValueSaysSo) {
  EXPECT_EQ(error_of("1/0"), "division by zero");
  EXPECT_EQ(error_of("5%0"), "division by zero");
  EXPECT_EQ(error_of("5%(1-1)"), "division by zero");
  EXPECT_EQ(error_of("0^-1"), "division by zero");
  EXPECT_EQ(error_of("0^-0.5"), "division by zero");
  EXPECT_EQ(error_of("(-1)^0.5"), "a root of a negative number");
  EXPECT_EQ(error_of("10^10^10"), "the result is too large");
  EXPECT_EQ(error_of("10^5000-10^5000"), "the result is too large");
  EXPECT_EQ(error_of(""), "the expression ends too early");
  EXPECT_EQ(error_of("2+"), "the expression ends too early");
  EXPECT_EQ(error_of("(1"), "the expression ends too early");
  EXPECT_EQ(error_of("1)"), "cannot read the expression at byte 2");
  EXPECT_EQ(error_of("2(3)"), "cannot read the expression at byte 2");
  EXPECT_EQ(error_of("two"), "cannot read the expression at byte 1");
  EXPECT_EQ(error_of("1.2.3"), "cannot read the expression at byte 4");
  for (const char* text : {"()", "*2", "2//3", "2***3", ".", "1e5", "\xff", "2 + x", "1=1", "%"}) error_of(text);
  error_of(std::string("1\0", 2));
  error_of(std::string("1\0+1", 4));
}

TEST(Expression, LengthAndDepthAreBounded) {
  EXPECT_EQ(error_of(std::string(1001, '1')), "the expression has 1001 bytes, at most 1000 are read");
  EXPECT_EQ(value_of(std::string(90, '(') + "1" + std::string(90, ')')), "1");
  EXPECT_EQ(error_of(std::string(400, '(') + "1" + std::string(400, ')')), "nested deeper than 100");
  EXPECT_EQ(error_of(std::string(999, '-') + "1"), "nested deeper than 100");
  std::string powers = "1";
  for (int i = 0; i < 200; ++i) powers += "^1";
  EXPECT_EQ(error_of(powers), "nested deeper than 100");
  std::string sum = "1";
  for (int i = 0; i < 499; ++i) sum += "+1";
  EXPECT_EQ(value_of(sum), "500");
}

// A random expression as text, and its value by another way: 64-bit arithmetic on the way down.
struct Sample {
  std::string text;
  int64_t value = 0;
};

Sample sample(std::mt19937_64& random, int depth) {
  if (depth == 0 || random() % 4 == 0) {
    const auto value = static_cast<int64_t>(random() % 100);
    return {std::to_string(value), value};
  }
  const Sample a = sample(random, depth - 1);
  const Sample b = sample(random, depth - 1);
  switch (random() % 4) {
    case 0:
      return {"(" + a.text + " + " + b.text + ")", a.value + b.value};
    case 1:
      return {"(" + a.text + "-" + b.text + ")", a.value - b.value};
    case 2:
      return {a.text + "*" + b.text, a.value * b.value};
    default:
      return {"-(" + a.text + ")", -a.value};
  }
}

TEST(Expression, AgreesWithWholeArithmetic) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    Sample expected = sample(random, 3);
    EXPECT_EQ(value_of(expected.text), std::to_string(expected.value)) << expected.text;
  }
}

TEST(Expression, DivisionAndRemainderFitTogether) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = std::to_string(static_cast<int64_t>(random() % 20001) - 10000);
    const std::string b = std::to_string(static_cast<int64_t>(random() % 99) + 1);
    EXPECT_EQ(value_of("(" + a + "-" + a + "%" + b + ")/" + b + "*" + b + "+" + a + "%" + b + "-(" + a + ")"), "0");
  }
}

}  // namespace
}  // namespace fathom::assistant
