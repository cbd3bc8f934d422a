#include "base/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace fathom::json {
namespace {

std::string parse_error(std::string_view text, size_t max_depth = 64) {
  try {
    parse(text, "source", max_depth);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidData);
    EXPECT_EQ(e.where(), "source");
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(JsonParse, AcceptsOneValueAndSpaceAround) {
  EXPECT_EQ(dump(parse(" \n\t{\"b\": [1, 2.5, null], \"a\": true}\r\n ", "source")), "{\"b\":[1,2.5,null],\"a\":true}");
  EXPECT_EQ(dump(parse("7", "source")), "7");
  EXPECT_EQ(dump(parse("\"x\"", "source")), "\"x\"");
}

TEST(JsonParse, RefusesMalformedText) {
  for (const std::string_view text :
       {"",       " ",       "{",         "[1,",     "[1,]",  "{\"a\":}",  "{a:1}", "'x'",
        "nul",    "01",      "+1",        "1.",      ".5",    "1e",        "NaN",   "Infinity",
        "\"\n\"", "\"\\x\"", "\"\\u12\"", "// c\n1", "[1 2]", "{\"a\" 1}", "\"open"}) {
    EXPECT_TRUE(contains(parse_error(text), "not valid JSON")) << text;
  }
}

TEST(JsonParse, NamesTheByteOffset) {
  EXPECT_TRUE(contains(parse_error("[1, 2, x]"), "at byte 7")) << parse_error("[1, 2, x]");
  EXPECT_TRUE(contains(parse_error("[1, 2"), "at byte 5")) << parse_error("[1, 2");
}

TEST(JsonParse, RefusesTrailingContent) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"{} x"sv, "[1]]"sv, "1 2"sv, "{}{}"sv, "null,"sv, "1\0"sv}) {
    EXPECT_NE(parse_error(text), "") << text;
  }
}

TEST(JsonParse, RefusesInvalidUtf8) {
  for (const std::string_view text : {"\"\x80\"", "\"\xC0\xAF\"", "\"\xE2\x82\"", "\"\xED\xA0\x80\"",
                                      "\"\xF5\x80\x80\x80\"", "\"\xFF\"", "\"\\uD800\"", "\"\\uDC00\\uD800\""}) {
    EXPECT_NE(parse_error(text), "") << text;
  }
  EXPECT_EQ(parse("\"\\ud83d\\ude00 \xC3\xA9\"", "source").get_string(), "\xF0\x9F\x98\x80 \xC3\xA9");
}

TEST(JsonParse, LimitsDepth) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(parse_error(nested(64)), "");
  EXPECT_NE(parse_error(nested(65)), "");
  EXPECT_EQ(parse_error(nested(3), 3), "");
  EXPECT_NE(parse_error(nested(4), 3), "");
  EXPECT_NE(parse_error(nested(500000)), "");
}

TEST(JsonParse, ReadsDoublesToTheLastBit) {
  for (const char* text : {"0.1", "0.7", "1e-06", "2.5", "0.30000000000000004", "1.7976931348623157e308", "5e-324",
                           "2.2250738585072014e-308", "123456789.12345679", "9007199254740993.0", "1e-400", "-1e-400",
                           "12345678901234567890123", "0.000123456789012345678"}) {
    EXPECT_EQ(parse(text, "source").as_double(), std::strtod(text, nullptr)) << text;
  }
  const RandomStream random(5, 0);
  for (uint64_t i = 0; i < 20000; ++i) {
    const double number = std::bit_cast<double>(random.bits(i));
    if (!std::isfinite(number)) continue;
    const Value value(number);
    const Value back = parse(dump(value), "source");
    ASSERT_EQ(std::bit_cast<uint64_t>(back.as_double()), std::bit_cast<uint64_t>(number)) << dump(value);
  }
}

TEST(JsonParse, KeepsIntegersWhole) {
  EXPECT_EQ(parse("9223372036854775807", "s").as_int64(), INT64_MAX);
  EXPECT_EQ(parse("-9223372036854775808", "s").as_int64(), INT64_MIN);
  EXPECT_EQ(parse("18446744073709551615", "s").as_uint64(), UINT64_MAX);
}

// What Python 3's json.dumps(x, ensure_ascii=False) prints.
TEST(JsonDump, NumbersAsPythonPrintsThem) {
  const std::pair<double, const char*> cases[] = {{0.5, "0.5"},
                                                  {1e-06, "1e-06"},
                                                  {1e16, "1e+16"},
                                                  {1e15, "1000000000000000.0"},
                                                  {9999999999999998.0, "9999999999999998.0"},
                                                  {1.0, "1.0"},
                                                  {-0.0, "-0.0"},
                                                  {0.0, "0.0"},
                                                  {1e-4, "0.0001"},
                                                  {9.999e-05, "9.999e-05"},
                                                  {0.1 + 0.2, "0.30000000000000004"},
                                                  {1e100, "1e+100"},
                                                  {-1.5e-10, "-1.5e-10"},
                                                  {5e-324, "5e-324"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {123456.789, "123456.789"},
                                                  {40.0, "40.0"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(dump(Value(number)), text);
  EXPECT_EQ(dump(Value(std::numeric_limits<double>::infinity())), "Infinity");
  EXPECT_EQ(dump(Value(-std::numeric_limits<double>::infinity())), "-Infinity");
  EXPECT_EQ(dump(Value(std::numeric_limits<double>::quiet_NaN())), "NaN");
  EXPECT_EQ(dump(Value(INT64_MIN)), "-9223372036854775808");
  EXPECT_EQ(dump(Value(UINT64_MAX)), "18446744073709551615");
}

TEST(JsonDump, Styles) {
  const Value value = parse(R"({"z": {"a": [], "b": {}}, "k": [1, "x", null, false]})", "s");
  EXPECT_EQ(dump(value), R"({"z":{"a":[],"b":{}},"k":[1,"x",null,false]})");
  EXPECT_EQ(dump(value, Style::kPython), R"({"z": {"a": [], "b": {}}, "k": [1, "x", null, false]})");
}

TEST(JsonDump, Strings) {
  EXPECT_EQ(quote("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(quote("\n\r\t\b\f"), R"("\n\r\t\b\f")");
  EXPECT_EQ(quote(std::string_view("\0\x01\x1F\x7F", 4)), "\"\\u0000\\u0001\\u001f\x7F\"");
  EXPECT_EQ(quote("é漢😀"), "\"é漢😀\"");
  EXPECT_EQ(dump(parse(R"({"\u00e9\n": 1})", "s"), Style::kPython), "{\"é\\n\": 1}");
}

std::string reader_error(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidData);
    return e.what();
  }
  return "no error";
}

TEST(JsonReader, NamesPathFoundAndExpected) {
  const Value value = parse(R"({"a": {"b": [1, {"c": "x"}]}, "d": -1, "e": 1.5, "n": null})", "f.json");
  const Reader root(value, "f.json");
  EXPECT_EQ(root.location(), "f.json");
  const Reader c = root.get("a").get("b").items()[1].get("c");
  EXPECT_EQ(c.location(), "f.json: a.b[1].c");
  EXPECT_EQ(reader_error([&] { c.as_int(); }), "f.json: a.b[1].c: found \"x\", expected a whole number");
  EXPECT_EQ(reader_error([&] { root.get("zz"); }), "f.json: lacks 'zz'");
  EXPECT_EQ(reader_error([&] { root.get("d").as_int(0, 10); }),
            "f.json: d: found -1, expected a whole number in [0, 10]");
  EXPECT_EQ(reader_error([&] { root.get("e").as_int(); }), "f.json: e: found 1.5, expected a whole number");
  EXPECT_EQ(reader_error([&] { root.get("n").as_bool(); }), "f.json: n: found null, expected true or false");
  EXPECT_EQ(reader_error([&] { root.get("a").as_string(); }), "f.json: a: found an object, expected a string");
  EXPECT_EQ(reader_error([&] { root.get("a").get("b").as_double(); }),
            "f.json: a.b: found an array of 2, expected a number");
  EXPECT_EQ(reader_error([&] { root.get("d").get("x"); }), "f.json: d: found -1, expected an object with 'x'");
  EXPECT_EQ(reader_error([&] { root.get("d").items(); }), "f.json: d: found -1, expected an array");
  EXPECT_EQ(reader_error([&] { root.get("d").members(); }), "f.json: d: found -1, expected an object");
  EXPECT_EQ(reader_error([&] { root.get("d").find("x"); }), "f.json: d: found -1, expected an object");
}

TEST(JsonReader, KeepsErrorsOnOneLine) {
  const Value value("two\nlines");
  EXPECT_EQ(reader_error([&] { Reader(value, "s").as_int(); }), "s: found \"two\\nlines\", expected a whole number");
}

TEST(JsonReader, ReadsValues) {
  const Value value = parse(R"({"i": 3, "w": 10000.0, "u": 18446744073709551615, "d": 0.5, "b": true, "s": "t",
                               "n": null, "h": 1e300})",
                            "s");
  const Reader root(value, "s");
  EXPECT_EQ(root.get("i").as_int(), 3);
  EXPECT_EQ(root.get("w").as_int(), 10000);
  EXPECT_EQ(root.get("i").as_double(), 3.0);
  EXPECT_EQ(root.get("d").as_double(), 0.5);
  EXPECT_TRUE(root.get("b").as_bool());
  EXPECT_EQ(root.get("s").as_string(), "t");
  EXPECT_FALSE(root.find("n").has_value());
  EXPECT_FALSE(root.find("missing").has_value());
  EXPECT_TRUE(root.find("i").has_value());
  EXPECT_THROW(root.get("u").as_int(), Error);
  EXPECT_THROW(root.get("h").as_int(), Error);
  EXPECT_EQ(root.members().size(), 8U);
  EXPECT_EQ(root.members()[1].first, "w");
}

// An overflowing literal must not become an infinity that a later computation meets.
TEST(JsonReader, RefusesNumbersPastDouble) {
  bool refused = false;
  try {
    const Value value = parse("1e999", "s");
    Reader(value, "s").as_double();
  } catch (const Error&) {
    refused = true;
  }
  EXPECT_TRUE(refused);
}

TEST(JsonFile, ReadsWithALimit) {
  const auto path = (std::filesystem::temp_directory_path() / "fathom_json_test.json").string();
  std::ofstream(path) << "[1, 2, 3]";
  EXPECT_EQ(dump(parse_file(path)), "[1,2,3]");
  EXPECT_THROW(parse_file(path, 8), Error);
  EXPECT_THROW(parse_file(path + ".missing"), Error);
  std::filesystem::remove(path);
}

TEST(Json, ADuplicateKeyCountsLastOrIsRefused) {
  EXPECT_EQ(dump(parse(R"({"a":1,"b":{"a":2},"a":3})", "test")), R"({"a":3,"b":{"a":2}})");
  const auto refused = [](std::string_view text) {
    try {
      parse(text, "test", kDefaultMaxDepth, DuplicateKeys::kRefused);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused(R"({"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]})"), "");
  EXPECT_EQ(refused(R"({"ab":1,"a\u0062":2})").substr(0, 23), "test: names \"ab\" twice,");
  EXPECT_NE(refused(R"({"x":{"":1,"":2}})").find("names \"\" twice"), std::string::npos);
}

}  // namespace
}  // namespace fathom::json
