#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_writer.h"

namespace fathom::tokenizer {
namespace {

// Words over few letters, some far more frequent than others.
std::vector<std::string> random_texts(uint64_t seed) {
  const RandomStream random(seed, 0);
  uint64_t at = 0;
  std::vector<std::string> words;
  for (int w = 0; w < 30; ++w) {
    std::string word;
    for (uint64_t n = 1 + random.bits(at++) % 7; n > 0; --n) word += static_cast<char>('a' + random.bits(at++) % 3);
    words.push_back(word);
  }
  std::vector<std::string> texts;
  for (int t = 0; t < 20; ++t) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      const uint64_t most = 1 + random.bits(at++) % words.size();
      text += " " + words[random.bits(at++) % most];
    }
    texts.push_back(text);
  }
  return texts;
}

// The definition: count all pairs anew for every token.
std::vector<Merge> by_definition(const std::vector<std::string>& texts, int64_t tokens) {
  const auto cutter = make_v3_scanner();
  std::vector<std::vector<TokenId>> pieces;
  for (const std::string& text : texts) {
    std::vector<size_t> ends;
    cutter->split(text, ends);
    size_t begin = 0;
    for (const size_t end : ends) {
      pieces.emplace_back();
      for (; begin < end; ++begin) pieces.back().push_back(static_cast<uint8_t>(text[begin]));
    }
  }
  std::vector<std::string> made;
  for (int byte = 0; byte < 256; ++byte) made.emplace_back(1, static_cast<char>(byte));
  std::vector<Merge> merges;
  while (static_cast<int64_t>(made.size()) < 256 + tokens) {
    std::map<std::pair<TokenId, TokenId>, int64_t> counts;
    for (const auto& piece : pieces) {
      for (size_t i = 0; i + 1 < piece.size(); ++i) ++counts[{piece[i], piece[i + 1]}];
    }
    auto best = counts.end();
    for (auto it = counts.begin(); it != counts.end(); ++it) {
      if (best == counts.end() || it->second > best->second) best = it;
    }
    if (best == counts.end() || best->second < 2) break;
    const auto [left, right] = best->first;
    const std::string both = made[static_cast<size_t>(left)] + made[static_cast<size_t>(right)];
    const auto known = std::find(made.begin(), made.end(), both);
    const auto product = static_cast<TokenId>(known - made.begin());
    if (known == made.end()) made.push_back(both);
    merges.push_back({left, right, product, static_cast<uint32_t>(merges.size())});
    for (auto& piece : pieces) {
      std::vector<TokenId> merged;
      for (size_t i = 0; i < piece.size(); ++i) {
        const bool is_pair = i + 1 < piece.size() && piece[i] == left && piece[i + 1] == right;
        merged.push_back(is_pair ? product : piece[i]);
        i += is_pair ? 1 : 0;
      }
      piece = merged;
    }
  }
  return merges;
}

TEST(BpeTrainer, MergesAsDefined) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto texts = random_texts(seed);
    const auto cutter = make_v3_scanner();
    BpeTrainer trainer(*cutter);
    for (const std::string& text : texts) trainer.add(text);
    const auto got = trainer.train({.tokens = 60}, nullptr);
    const auto expected = by_definition(texts, 60);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(std::tuple(got[i].left, got[i].right, got[i].product),
                std::tuple(expected[i].left, expected[i].right, expected[i].product))
          << "seed " << seed << " merge " << i;
    }
  }
}

TEST(TokenizerWriter, WritesWhatIsReadBack) {
  const auto cutter = make_v3_scanner();
  BpeTrainer trainer(*cutter);
  for (const std::string& text : random_texts(3)) trainer.add(text);
  trainer.add("naïve 日本語 naïve 日本語");
  const auto merges = trainer.train({.tokens = learned_tokens(320)}, nullptr);
  const auto tokenizer = Tokenizer::from_json(tokenizer_json(merges), tokenizer_config_json());
  EXPECT_LE(tokenizer->vocab_size(), 320U);
  EXPECT_EQ(tokenizer->bos(), 0);
  EXPECT_EQ(tokenizer->eos(), 1);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_TRUE(tokenizer->find_added("<｜fim▁hole｜>"));
  const std::string text = "aab cab\n naïve 日本語 <｜User｜> 123";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  // Every learned token is what its bytes become.
  for (TokenId id = 3; id < static_cast<TokenId>(tokenizer->vocab_size()); ++id) {
    if (tokenizer->token_bytes(id).size() < 2 || tokenizer->find_added(tokenizer->token_bytes(id))) continue;
    const std::string bytes(tokenizer->token_bytes(id));
    const auto ids = tokenizer->encode(bytes);
    EXPECT_TRUE(ids.size() > 1 || ids[0] == id) << bytes;
  }
}

TEST(BpeTrainer, MakesNoOverlongTokens) {
  const auto cutter = make_v3_scanner();
  BpeTrainer trainer(*cutter);
  for (int i = 0; i < 5; ++i) trainer.add(std::string(1000, '='));
  const auto merges = trainer.train({.tokens = 50, .max_token_bytes = 16}, nullptr);
  const auto tokenizer = Tokenizer::from_json(tokenizer_json(merges));
  for (size_t id = 0; id < 3 + 256 + merges.size(); ++id) {
    if (!tokenizer->find_added(tokenizer->token_bytes(static_cast<TokenId>(id)))) {
      EXPECT_LE(tokenizer->token_bytes(static_cast<TokenId>(id)).size(), 16U);
    }
  }
  EXPECT_GT(merges.size(), 3U);
}

TEST(BpeTrainer, DigitsStayApartWhereAsked) {
  const auto cutter = make_v3_scanner();
  BpeTrainer trainer(*cutter);
  for (int i = 0; i < 50; ++i) trainer.add("year 1984, year 1985");
  const auto texts_of = [&](bool merges_digits) {
    const auto merges = trainer.train({.tokens = 12, .merges_digits = merges_digits}, nullptr);
    const auto made = Tokenizer::from_json(tokenizer_json(merges), tokenizer_config_json());
    return made->encode(std::vector<Segment>{plain("1984")}).size();
  };
  EXPECT_EQ(texts_of(false), 4U);
  EXPECT_LT(texts_of(true), 4U);
}

}  // namespace
}  // namespace fathom::tokenizer
