// JSON mode: what is JSON and what is not, in the manner of JSONTestSuite, and masks held against the parser.

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "grammar/test_support.h"

namespace fathom::grammar {
namespace {

constexpr size_t kDeep = 100000;

const char* const kValid[] = {
    "[]",
    "{}",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "123",
    "1.5",
    "-0.25",
    "1e3",
    "1E+3",
    "1e-300",
    "0e1",
    "9.5e307",
    "123456789e299",
    "1.0E05",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\"",
    "\"\\uD83D\\uDC4D\"",
    "\"\\ud83d\\udc4d\"",
    "\"\\uDBFF\\uDFFF\"",
    "\"\\u0000\"",
    "\"\\uFFFF\"",
    "\"\\ud7ff\"",
    "\"\\ue000\"",
    "\"é\"",
    "\"你好\"",
    "\"👍\"",
    "\"\x7f\"",
    "\"\xed\x9f\xbf\"",
    "\"\xee\x80\x80\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "[1]",
    "[1,2]",
    "[[],[[]]]",
    "[null,true,false]",
    "{\"a\":1}",
    "{\"a\":{\"b\":[{}]}}",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    " [ 1 , 2 ] ",
    "\t{\n\"a\"\r:\n 1 , \"b\" : [ ] }\n",
    "[\"\\u0061\"]",
    "[1e0]",
    "[-123.456e-7]",
    "{\"\\u00e9\":\"x\"}",
    "[\"\xe2\x80\xa8\"]",
};

const char* const kInvalid[] = {
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "nul",
    "nulL",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1_0",
    "1e1.5",
    "\"",
    "\"a",
    "a\"",
    "'a'",
    "\"\\\"",
    "\"\\a\"",
    "\"\\x41\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u123\"",
    "\"\\u123g\"",
    "\"\\uD800\"",
    "\"\\uD800\\n\"",
    "\"\\uD800\\uD800\"",
    "\"\\uDC00\"",
    "\"\\uD83Dx\"",
    "\"\n\"",
    "\"\t\"",
    "\"\x1f\"",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xc3\"",
    "\"\xe0\x80\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x80\x80\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\x80\"",
    "[]]",
    "{}}",
    "[] []",
    "1 2",
    "[1]x",
    "//x\n1",
    "/*x*/1",
    "\xef\xbb\xbf[]",
    "[\"a\",\n4\n,1,",
    "{\"a\":b}",
    "[-]",
    "[1e999]",
    "\x0c[]",
    "[\x0b]",
};

TEST(AnyJson, KnowsWhatIsJson) {
  const auto grammar = compile(Grammar::any_json());
  for (const char* text : kValid) EXPECT_TRUE(matches(grammar, text)) << text;
  for (const char* text : kInvalid) EXPECT_FALSE(matches(grammar, text)) << text;
}

TEST(AnyJson, AgreesWithTheParser) {
  const auto grammar = compile(Grammar::any_json());
  for (const char* text : kValid) EXPECT_NO_THROW(json::parse(text, "test")) << text;
  for (const char* text : kInvalid) EXPECT_THROW(json::parse(text, "test"), Error) << text;
}

TEST(AnyJson, ObjectModeWantsAnObject) {
  const auto grammar = compile(Grammar::any_json({}, true));
  EXPECT_TRUE(matches(grammar, " {\"a\": [1, null]}\n"));
  EXPECT_FALSE(matches(grammar, "[]"));
  EXPECT_FALSE(matches(grammar, "1"));
}

TEST(AnyJson, WhiteSpaceIsBounded) {
  const auto compact = compile(Grammar::any_json({.max_whitespace = 0}));
  EXPECT_TRUE(matches(compact, "{\"a\":[1,2]}"));
  EXPECT_FALSE(matches(compact, "{\"a\": 1}"));
  EXPECT_FALSE(matches(compact, " 1"));
  const auto some = compile(Grammar::any_json({.max_whitespace = 3}));
  EXPECT_TRUE(matches(some, "[   1   ,   2   ]   "));
  EXPECT_FALSE(matches(some, "[    1]"));
  EXPECT_FALSE(matches(some, "[1    ]"));
  EXPECT_FALSE(matches(some, "[]    "));
}

TEST(AnyJson, NestsWithoutEnd) {
  const auto grammar = compile(Grammar::any_json());
  const std::string deep = std::string(kDeep, '[') + std::string(kDeep, ']');
  EXPECT_TRUE(matches(grammar, deep));
  EXPECT_FALSE(matches(grammar, deep + "]"));
}

TEST(AnyJson, MasksAreExact) {
  const auto grammar = compile(Grammar::any_json());
  for (const char* text : kValid) expect_exact_mask(grammar, text);
  expect_exact_mask(grammar, "{\"a\":[{\"b\":[[{\"c\":\"d\"}]]}]}");
}

TEST(AnyJson, FollowingMasksGivesJson) {
  const auto grammar = compile(Grammar::any_json());
  size_t ended = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Dice dice(seed);
    const std::string text = random_text(grammar, dice, dice.roll(40), 4000);
    if (text.empty()) continue;
    ++ended;
    EXPECT_NO_THROW(json::parse(text, "test", 5000)) << text;
  }
  EXPECT_GT(ended, 1500);
}

}  // namespace
}  // namespace fathom::grammar
