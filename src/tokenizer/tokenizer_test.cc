#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"

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
    EXPECT_EQ(v3()->encode(text), ids) << text;
    EXPECT_EQ(v3()->decode(ids), text);
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST(Tokenizer, PlainSegmentsHoldNoControlTokens) {
  const int32_t user = *v3()->find("<｜User｜>");
  const std::vector<Segment> segments = {{user, ""}, {{}, "a <｜User"}, {{}, "｜> b"}};
  const auto ids = v3()->encode(segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), user), 1);
  EXPECT_EQ(v3()->decode(ids), "<｜User｜>a <｜User｜> b");
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

TEST(PreTokenizer, ScannerCutsAsTheRegexesDo) {
  const auto scanner = make_v3_scanner();
  const auto regexes = make_regex_stages(v3_patterns());
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

TEST(Tokenizer, RefusesWhatIsNone) {
  for (const char* text : {"", "{", "{}", R"({"model":{}})", R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})",
                           R"({"model":{"type":"Unigram","vocab":{},"merges":[]}})",
                           R"({"model":{"type":"BPE","vocab":{"a":99999999999},"merges":[]}})"}) {
    EXPECT_THROW(Tokenizer::parse(text, "tokenizer.json"), Error) << text;
  }
  EXPECT_THROW(v3()->token_bytes(-1), Error);
  EXPECT_THROW(v3()->token_bytes(1 << 30), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
