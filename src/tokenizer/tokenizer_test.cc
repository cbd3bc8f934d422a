#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/random.h"
#include "tokenizer/stream_decoder.h"

namespace fathom::tokenizer {
namespace {

constexpr const char* kFolder = "tests/goldens/tokenizer";

const std::shared_ptr<const Tokenizer>& v3() {
  static const auto tokenizer = Tokenizer::load(kFolder);
  return tokenizer;
}

TEST(Tokenizer, GivesTheGoldensIds) {
  std::ifstream lines(std::string(kFolder) + "/encode.jsonl");
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    const auto value = json::parse(line, "encode.jsonl");
    const std::string text(value.at("text").as_string());
    std::vector<int32_t> ids;
    for (const auto& id : value.at("ids").as_array()) ids.push_back(static_cast<int32_t>(id.as_int64()));
    EXPECT_EQ(v3()->encode(text, {.parse_special = true}), ids) << text;
    EXPECT_EQ(v3()->decode(ids), text);
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST(Tokenizer, PlainSegmentsHoldNoControlTokens) {
  const TokenId user = *v3()->find_added("<｜User｜>");
  const std::vector<Segment> segments = {control("<｜User｜>"), plain("a <｜User"), plain("｜> b"),
                                         control("<think-of>")};
  const auto ids = v3()->encode(segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), user), 1);
  EXPECT_EQ(v3()->decode(ids), "<｜User｜>a <｜User｜> b<think-of>");
  // Parsed, the same text holds two.
  const auto parsed = v3()->encode(segments, {.parse_special = true});
  EXPECT_EQ(std::count(parsed.begin(), parsed.end(), user), 2);
}

TEST(Tokenizer, AddsTheBeginOfSentenceOnlyWhenAsked) {
  EXPECT_EQ(v3()->encode("").size(), 0U);
  EXPECT_EQ(v3()->encode("", {.add_bos = true}), std::vector<TokenId>{*v3()->bos()});
  EXPECT_TRUE(v3()->adds_bos());
}

TEST(StreamDecoder, NeverSplitsACharacter) {
  const std::string text = "naïve 👨‍👩‍👧 日本語 \u0939\u093f";
  StreamDecoder decoder(v3());
  std::string out;
  for (const int32_t id : v3()->encode(text)) {
    const std::string piece = decoder.push(id);
    EXPECT_EQ(v3()->decode(v3()->encode(piece)), piece);
    out += piece;
  }
  EXPECT_EQ(out + decoder.finish(), text);
}

TEST(Tokenizer, TakesHostileTextsInTheirStride) {
  for (const std::string unit : {"a", " ", "\n", "👍", "e\u0301", "1", "<"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    EXPECT_EQ(v3()->decode(v3()->encode(text)), text);
  }
}

// Random characters of every kind that the patterns tell apart.
std::string random_text(const RandomStream& random, uint64_t& at) {
  static const std::vector<std::string> kinds = {
      "a", "Z", "é", "日",     "ア",     "・",   "\u3099", "1", "²",      " ",      "  ",     "\n",     "\r\n",   "\t",
      "!", "_", "$", "\u0301", "\u200b", "\x01", "\u00a0", "👍", "\u0085", "\u3000", "\ufeff", "\u2028", "\u3097", "'s"};
  std::string text;
  for (uint64_t n = random.bits(at++) % 24; n > 0; --n) text += kinds[random.bits(at++) % kinds.size()];
  return text;
}

std::unique_ptr<PreTokenizer> regex_form(const std::vector<std::string>& patterns) {
  std::vector<std::unique_ptr<PreTokenizer>> stages;
  for (const std::string& pattern : patterns) stages.push_back(make_regex_stage({.pattern = pattern}, "test"));
  return make_sequence(std::move(stages));
}

// One-class patterns of DeepSeek-V2, LLM and Coder, and others that the matcher takes.
TEST(PreTokenizer, SimpleMatcherCutsAsTheRegexDoes) {
  const RandomStream random(8, 0);
  uint64_t at = 0;
  for (const std::string pattern :
       {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", "\\p{N}", "\\p{N}{1,3}", "\\s+$",
        "\\p{N}+",
        "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-Ⴥ]+",
        "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "[^a\\s]+"}) {
    const auto simple = make_simple_stage({.pattern = pattern});
    ASSERT_NE(simple, nullptr) << pattern;
    const auto regex = make_regex_stage({.pattern = pattern}, "test");
    for (int i = 0; i < 2000; ++i) {
      const std::string text = random_text(random, at);
      std::vector<size_t> fast, slow;
      simple->split(text, fast);
      regex->split(text, slow);
      ASSERT_EQ(fast, slow) << pattern << " on " << json::quote(text);
    }
  }
  for (const char* pattern : {"a|b", "(?i)x", "\\s+(?!\\S)", "", "[a", "\\p{Lu}", "x{2,3}"}) {
    EXPECT_EQ(make_simple_stage({.pattern = pattern}), nullptr) << pattern;
  }
}

TEST(PreTokenizer, ScannerCutsAsTheRegexesDo) {
  const auto scanner = make_v3_scanner();
  const auto regexes = regex_form(v3_patterns());
  const RandomStream random(7, 0);
  uint64_t at = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_text(random, at);
    std::vector<size_t> fast, slow;
    scanner->split(text, fast);
    regexes->split(text, slow);
    ASSERT_EQ(fast, slow) << json::quote(text);
  }
}

// A small tokenizer.json with one part replaced.
std::string small_json(const std::string& part, const std::string& with) {
  static const std::string vocab = [] {
    std::string out;
    const std::string tiny = read_text_file("models/tiny/tokenizer.json");
    const json::Value value = json::parse(tiny, "tiny");
    return json::dump(value.at("model").at("vocab"));
  }();
  const std::vector<std::pair<std::string, std::string>> parts = {
      {"type", R"("BPE")"},
      {"vocab", vocab},
      {"merges", "[]"},
      {"added_tokens", "[]"},
      {"pre_tokenizer", R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})"},
      {"normalizer", "null"}};
  std::string model;
  std::string rest;
  for (const auto& [key, value] : parts) {
    std::string& to = key == "type" || key == "vocab" || key == "merges" ? model : rest;
    to += (to.empty() ? "" : ",") + json::quote(key) + ":" + (key == part ? with : value);
  }
  return "{\"model\":{" + model + "}," + rest + "}";
}

TEST(Tokenizer, ReadsASmallFile) {
  const auto tokenizer = Tokenizer::from_json(small_json("", ""));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("héllo")), "héllo");
  EXPECT_FALSE(tokenizer->bos());
  EXPECT_THROW(tokenizer->encode("a", {.add_bos = true}), Error);
}

TEST(Tokenizer, RefusesWhatIsNone) {
  for (const char* text : {"", "{", "[]", "{}", R"({"model":{}})", R"({"model":7})", "\xFF\xFE"}) {
    EXPECT_THROW(Tokenizer::from_json(text), Error) << text;
  }
  const std::vector<std::array<const char*, 3>> bad = {
      {"type", R"("Unigram")", "BPE"},
      {"type", "5", "type"},
      {"vocab", "[]", "vocab"},
      {"vocab", R"({"a":0})", "has no token for byte"},
      {"vocab", R"({"a":-1})", "expected 0 to"},
      {"vocab", R"({"a":99999999999})", "expected 0 to"},
      {"vocab", R"({"a":0,"b":0})", "one of its own"},
      {"merges", "{}", "merges"},
      {"merges", "[7]", "expected two symbols"},
      {"merges", R"(["a"])", "expected two symbols"},
      {"merges", R"([["a","b","c"]])", "expected two symbols"},
      {"merges", R"(["a b"])", "not in the vocabulary"},
      {"added_tokens", "7", "added_tokens"},
      {"added_tokens", R"([{"id":3}])", "content"},
      {"added_tokens", R"([{"id":2000000000,"content":"x"}])", "id"},
      {"added_tokens", R"([{"id":300,"content":""}])", "content"},
      {"added_tokens", R"([{"id":300,"content":"x"},{"id":301,"content":"x"}])", "second time"},
      {"added_tokens", R"([{"id":40,"content":"x"}])", "of the vocabulary"},
      {"pre_tokenizer", "null", "pre_tokenizer"},
      {"pre_tokenizer", R"({"type":"Whitespace"})", "Whitespace"},
      {"pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a("},"behavior":"Isolated"})", "compile"},
      {"pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"})", "Removed"},
      {"pre_tokenizer", R"({"type":"Digits"})", "ByteLevel"},
      {"normalizer", R"({"type":"NFC"})", "Sequence"}};
  for (const auto& [part, with, named] : bad) {
    try {
      Tokenizer::from_json(small_json(part, with));
      ADD_FAILURE() << part << " " << with << " was taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos)
          << part << " " << with << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find("tokenizer.json"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(v3()->token_bytes(-1), Error);
  EXPECT_THROW(v3()->token_bytes(1 << 30), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
