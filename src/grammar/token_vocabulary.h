#pragma once
// The bytes of every token as a tree of prefixes: what masks are computed over. Made once per tokenizer.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace fathom::tokenizer {
class Tokenizer;
}

namespace fathom::grammar {

using tokenizer::TokenId;

// Immutable; every function may be called from many threads at once.
class TokenVocabulary {
 public:
  // A prefix of tokens. The tree lies in depth-first order: the children of node i begin at i + 1, its next sibling is
  // node `next`, and a node without children has next == i + 1.
  struct TrieNode {
    uint32_t next;
    uint32_t first_token;  // into tokens(): those spelt by the path to here
    uint16_t token_count;  // more than one where ids have the same bytes
    uint8_t depth;         // bytes up to here, this one included
    uint8_t byte;
  };

  // Added tokens and those flagged special stand for no text: they are never allowed, but for end-of-sentence where the
  // output may end.
  static std::shared_ptr<const TokenVocabulary> from_tokenizer(const tokenizer::Tokenizer& tokenizer);

  // `token_bytes` by id, empty for ids that stand for no text. Tokens past 255 bytes are left out, so never allowed.
  TokenVocabulary(std::vector<std::string> token_bytes, std::optional<TokenId> eos);

  // One more than the highest id; a mask has so many bits.
  size_t size() const { return token_bytes_.size(); }
  size_t mask_words() const { return (size() + 63) / 64; }
  std::optional<TokenId> eos() const { return eos_; }
  // Empty for ids that stand for no text and for ids past the end.
  std::string_view token_bytes(TokenId id) const;

  // Tokens are in one of two trees: short ones, nearly all, of up to kShortBytes, and long ones.
  static constexpr size_t kShortBytes = 16;
  std::span<const TrieNode> short_trie() const { return short_trie_; }
  std::span<const TrieNode> long_trie() const { return long_trie_; }
  std::span<const TokenId> tokens(const TrieNode& node) const {
    return {sorted_.data() + node.first_token, node.token_count};
  }

 private:
  std::vector<TrieNode> make_trie(bool is_long) const;

  std::vector<std::string> token_bytes_;
  std::optional<TokenId> eos_;
  std::vector<TokenId> sorted_;  // by bytes, then by id
  std::vector<TrieNode> short_trie_;
  std::vector<TrieNode> long_trie_;
};

}  // namespace fathom::grammar
