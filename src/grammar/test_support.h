#pragma once
// What the tests of this folder share.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "grammar/matcher.h"

namespace fathom::grammar {

// Every byte, and tokens that cross boundaries of JSON and cut characters.
inline std::shared_ptr<const TokenVocabulary> small_vocabulary() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"{\"",      "\":",
                           "\": ",     "\",",
                           "\",\"",    "\", \"",
                           "\"}",      "\"}}",
                           "\"]",      "},",
                           "}, {",     "]]",
                           "[[",       "{}",
                           "[]",       "true",
                           "false",    "null",
                           "tr",       "ue",
                           ": ",       ", ",
                           "\n",       "\n  ",
                           "  ",       "    ",
                           "12",       "123",
                           "0.",       ".5",
                           "e1",       "e+",
                           "-1",       "abc",
                           "name",     "\"name\"",
                           "a\"",      "\\u",
                           "\\n",      "\\\"",
                           "\\u00",    "d8",
                           "é",        "\xc3",
                           "\xa9\"",   "你好",
                           "\xe4\xbd", "👍",
                           "\xf0\x9f", "0123456789",
                           "2024-",    "-01",
                           "[{\"",     "}]}",
                           "1]",       "1,",
                           "1}",       "\\ud83d\\udc4d"}) {
    tokens.emplace_back(text);
  }
  // Longer than TokenVocabulary::kShortBytes.
  for (const char* text : {"aaaaaaaaaaaaaaaaaaaaaaaa", "                    ", "abcdefghijklmnopqrst\",\"ab",
                           "{\"name\": [1, {\"ab\": 1"}) {
    tokens.emplace_back(text);
  }
  tokens.emplace_back("<eos>");
  const auto eos = static_cast<TokenId>(tokens.size() - 1);
  tokens.emplace_back();       // an id without text
  tokens.emplace_back("abc");  // the same bytes as another
  return std::make_shared<const TokenVocabulary>(std::move(tokens), eos);
}

inline std::shared_ptr<const CompiledGrammar> compile(const Grammar& grammar) {
  static const auto vocabulary = small_vocabulary();
  return std::make_shared<const CompiledGrammar>(grammar, vocabulary);
}

// Whether `text` is one of the grammar's.
inline bool matches(const std::shared_ptr<const CompiledGrammar>& grammar, std::string_view text) {
  Matcher matcher(grammar);
  return matcher.accept_bytes(text) && matcher.can_end();
}
inline bool matches(const Grammar& grammar, std::string_view text) { return matches(compile(grammar), text); }

inline bool is_set(const std::vector<uint64_t>& mask, TokenId id) {
  return ((mask[static_cast<size_t>(id) / 64] >> (id % 64)) & 1) != 0;
}

inline std::vector<uint64_t> mask_of(const Matcher& matcher, const TokenVocabulary& vocabulary) {
  std::vector<uint64_t> mask(vocabulary.mask_words(), ~uint64_t{0});
  matcher.mask(mask);
  return mask;
}

// The mask says of every token what taking it says.
inline void expect_exact_mask(const std::shared_ptr<const CompiledGrammar>& grammar, const std::string& text) {
  const TokenVocabulary& vocabulary = grammar->vocabulary();
  Matcher matcher(grammar);
  for (size_t at = 0; at <= text.size(); ++at) {
    const std::vector<uint64_t> mask = mask_of(matcher, vocabulary);
    for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
      const bool is_accepted = matcher.accept(id);
      ASSERT_EQ(is_set(mask, id), is_accepted) << text.substr(0, at) << " then " << vocabulary.token_bytes(id);
      if (is_accepted) matcher.rollback(1);
    }
    if (at < text.size()) {
      ASSERT_TRUE(matcher.accept_bytes(text.substr(at, 1)));
    }
  }
}

// Random choices of one test.
class Dice {
 public:
  explicit Dice(uint64_t seed) : stream_(seed, 0) {}
  // Below `bound`, which is not 0.
  size_t roll(size_t bound) { return static_cast<size_t>(stream_.bits(index_++) % bound); }
  bool chance(size_t percent) { return roll(100) < percent; }

 private:
  RandomStream stream_;
  uint64_t index_ = 0;
};

// A text that follows the masks, any allowed token as likely as another, until end-of-sentence; after `soon` tokens the
// end is taken where it is allowed. Empty when `limit` tokens did not lead there.
inline std::string random_text(const std::shared_ptr<const CompiledGrammar>& grammar, Dice& dice, size_t soon,
                               size_t limit) {
  const TokenVocabulary& vocabulary = grammar->vocabulary();
  Matcher matcher(grammar);
  std::string out;
  for (size_t i = 0; i < limit; ++i) {
    const std::vector<uint64_t> mask = mask_of(matcher, vocabulary);
    std::vector<TokenId> allowed;
    for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
      if (is_set(mask, id)) allowed.push_back(id);
    }
    if (allowed.empty()) return "dead end: " + out;
    TokenId token = allowed[dice.roll(allowed.size())];
    if (matcher.can_end() && i >= soon) token = *vocabulary.eos();
    if (!matcher.accept(token)) return "not accepted: " + out;
    if (matcher.has_finished()) return out;
    out += vocabulary.token_bytes(token);
  }
  return {};
}

}  // namespace fathom::grammar
