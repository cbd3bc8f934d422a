#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_path.h"

namespace fathom::tokenizer {
namespace {

std::string to_base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) out += at + i <= bytes.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

struct Vocabulary {
  std::vector<std::string> tokens;  // by rank
  std::map<std::string, TokenId> ranks;

  void add(const std::string& token) {
    if (ranks.emplace(token, static_cast<TokenId>(tokens.size())).second) tokens.push_back(token);
  }
  std::string file() const {
    std::string out;
    for (size_t rank = 0; rank < tokens.size(); ++rank)
      out += to_base64(tokens[rank]) + " " + std::to_string(rank) + "\n";
    return out;
  }
};

// All bytes, then unions of two tokens drawn at random; few letters, so that many cuts lead to the same token.
Vocabulary random_vocabulary(const RandomStream& random, uint64_t& at) {
  Vocabulary out;
  for (int byte = 255; byte >= 0; --byte) out.add(std::string(1, static_cast<char>(byte)));
  std::vector<std::string> pool = {"a", "b", "c"};
  for (int i = 0; i < 40; ++i) {
    std::string both = pool[random.bits(at++) % pool.size()];
    both += pool[random.bits(at++) % pool.size()];
    if (both.size() > 9) continue;
    out.add(both);
    pool.push_back(both);
  }
  return out;
}

// The definition: the leftmost of the unions of lowest rank, until no two neighbours make a token.
std::vector<TokenId> by_definition(const Vocabulary& vocabulary, const std::string& piece) {
  if (const auto whole = vocabulary.ranks.find(piece); whole != vocabulary.ranks.end()) return {whole->second};
  std::vector<std::string> parts;
  for (const char c : piece) parts.emplace_back(1, c);
  for (;;) {
    TokenId lowest = -1;
    size_t place = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = vocabulary.ranks.find(parts[i] + parts[i + 1]);
      if (found == vocabulary.ranks.end() || (lowest >= 0 && found->second >= lowest)) continue;
      lowest = found->second;
      place = i;
    }
    if (lowest < 0) break;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
  std::vector<TokenId> ids;
  for (const std::string& part : parts) ids.push_back(vocabulary.ranks.at(part));
  return ids;
}

TEST(Tiktoken, MergesAsDefined) {
  const RandomStream random(21, 0);
  uint64_t at = 0;
  for (int round = 0; round < 20; ++round) {
    const Vocabulary vocabulary = random_vocabulary(random, at);
    const auto tokenizer = Tokenizer::from_tiktoken(vocabulary.file());
    for (int i = 0; i < 100; ++i) {
      std::string piece;
      for (uint64_t n = 1 + random.bits(at++) % 80; n > 0; --n) piece += static_cast<char>('a' + random.bits(at++) % 3);
      ASSERT_EQ(tokenizer->encode(piece), by_definition(vocabulary, piece)) << piece;
    }
  }
}

TEST(Tiktoken, CutsAsKimiDoes) {
  // A vocabulary with every piece in it: the ids are the pieces.
  const std::vector<std::string> pieces = {"Hello", "'s", " World", "中文", "123", "4",  " !",
                                           "!\n",   "  ", " x",     "é",    "Wer", "ок", "\n"};
  Vocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary.add(std::string(1, static_cast<char>(byte)));
  for (const std::string& piece : pieces) vocabulary.add(piece);
  vocabulary.add("It's");
  const auto tokenizer = Tokenizer::from_tiktoken(vocabulary.file());
  const auto cut = [&](std::string_view text) {
    std::vector<std::string> out;
    for (const TokenId id : tokenizer->encode(text)) out.emplace_back(tokenizer->token_bytes(id));
    return out;
  };
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(cut("It's"), Pieces({"It's"}));  // contractions stay with their word
  EXPECT_EQ(cut("Hello World"), Pieces({"Hello", " World"}));
  EXPECT_EQ(cut("Hello中文ок"), Pieces({"Hello", "中文", "ок"}));  // Han stands alone
  EXPECT_EQ(cut("1234"), Pieces({"123", "4"}));
  EXPECT_EQ(cut("Hello !"), Pieces({"Hello", " !"}));
  EXPECT_EQ(cut("   x"), Pieces({"  ", " x"}));
}

constexpr const char* kConfig =
    R"({"bos_token":"[BOS]","eos_token":"[EOS]","added_tokens_decoder":{
        "256":{"content":"[BOS]","special":true},"257":{"content":"[EOS]","special":true},
        "300":{"content":"<|tool|>","special":false}}})";

Vocabulary bytes_only() {
  Vocabulary out;
  for (int byte = 0; byte < 256; ++byte) out.add(std::string(1, static_cast<char>(byte)));
  return out;
}

TEST(Tiktoken, TakesControlTokensFromTheConfiguration) {
  const auto tokenizer = Tokenizer::from_tiktoken(bytes_only().file(), kConfig);
  EXPECT_EQ(tokenizer->vocab_size(), 512U);
  EXPECT_EQ(tokenizer->bos(), 256);
  EXPECT_EQ(tokenizer->eos(), 257);
  EXPECT_EQ(tokenizer->find_added("<|tool|>"), 300);
  EXPECT_FALSE(tokenizer->is_special(300));
  EXPECT_EQ(tokenizer->find_added("<|reserved_token_301|>"), 301);
  EXPECT_TRUE(tokenizer->is_special(301));
  EXPECT_EQ(tokenizer->encode("[BOS]a", {.parse_special = true}), std::vector<TokenId>({256, 'a'}));
  EXPECT_EQ(tokenizer->encode("[BOS]").size(), 5U);
}

TEST(Tiktoken, IsHashedByTheFileThatIsRead) {
  const std::string folder = testing::TempDir() + "tiktoken_hash";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_THROW(tokenizer_hash(folder), Error);
  EXPECT_EQ(tokenizer_path(folder), folder + "/tokenizer.json");
  std::ofstream(folder + "/tiktoken.model") << bytes_only().file();
  EXPECT_EQ(tokenizer_hash(folder), hash64(bytes_only().file()));
  EXPECT_EQ(Tokenizer::load(folder)->encode("a"), std::vector<TokenId>({'a'}));
  std::ofstream(folder + "/tokenizer.json") << "{}";
  EXPECT_EQ(tokenizer_hash(folder), hash64("{}"));
}

TEST(Tiktoken, RefusesWhatIsNone) {
  const std::string good = bytes_only().file();
  const auto with_line = [&](const std::string& line) { return good + line + "\n"; };
  const std::vector<std::array<std::string, 3>> bad = {
      {"", "", "has no token for byte 0"},
      {good.substr(good.find('\n') + 1), "", "has no token for byte 0"},
      {with_line("YWI="), "", "base64"},
      {with_line("YWI= x"), "", "base64"},
      {with_line("YWI= -1"), "", "base64"},
      {with_line("YWI= 99999999999"), "", "base64"},
      {with_line("YWI= 4194304"), "", "base64"},
      {with_line("YWI 256"), "", "base64"},
      {with_line("==== 256"), "", "base64"},
      {with_line("Y*I= 256"), "", "base64"},
      {with_line("YWI= 7"), "", "a second time"},
      {with_line("YQ== 256"), "", "repeats"},
      {with_line("YWI= 999"), "", "has no token of rank 256"},
      {good, R"({"added_tokens_decoder":{"7":{"content":"x"}}})", "id '7'"},
      {good, R"({"added_tokens_decoder":{"x":{"content":"x"}}})", "id 'x'"},
      {good, R"({"added_tokens_decoder":{"256":{}}})", "content"},
      {good, R"({"added_tokens_decoder":{"256":{"content":"x"},"257":{"content":"x"}}})", "a second time"},
      {good, R"({"added_tokens_decoder":[]})", "added_tokens_decoder"}};
  for (const auto& [file, config, named] : bad) {
    try {
      Tokenizer::from_tiktoken(file, config);
      ADD_FAILURE() << named << ": taken";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace fathom::tokenizer
