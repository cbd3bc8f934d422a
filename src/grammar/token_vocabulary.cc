#include "grammar/token_vocabulary.h"

#include <algorithm>
#include <utility>

#include "tokenizer/tokenizer.h"

namespace fathom::grammar {
namespace {

constexpr size_t kMaxTokenBytes = 255;  // what a node's depth can hold

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

std::shared_ptr<const TokenVocabulary> TokenVocabulary::from_tokenizer(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::string> bytes(tokenizer.vocab_size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (tokenizer.has_token(id) && !tokenizer.is_special(id)) bytes[i] = tokenizer.token_bytes(id);
  }
  for (const tokenizer::AddedToken& added : tokenizer.added_tokens()) bytes[static_cast<size_t>(added.id)].clear();
  return std::make_shared<const TokenVocabulary>(std::move(bytes), tokenizer.eos());
}

TokenVocabulary::TokenVocabulary(std::vector<std::string> token_bytes, std::optional<TokenId> eos)
    : token_bytes_(std::move(token_bytes)), eos_(eos) {
  if (eos_) token_bytes_[static_cast<size_t>(*eos_)].clear();
  for (size_t i = 0; i < token_bytes_.size(); ++i) {
    std::string& bytes = token_bytes_[i];
    if (bytes.size() > kMaxTokenBytes) bytes.clear();
    if (!bytes.empty()) sorted_.push_back(static_cast<TokenId>(i));
  }
  const auto text = [&](TokenId id) -> const std::string& { return token_bytes_[static_cast<size_t>(id)]; };
  std::stable_sort(sorted_.begin(), sorted_.end(), [&](TokenId a, TokenId b) { return text(a) < text(b); });

  short_trie_ = make_trie(false);
  long_trie_ = make_trie(true);
}

std::vector<TokenVocabulary::TrieNode> TokenVocabulary::make_trie(bool is_long) const {
  std::vector<TrieNode> trie;
  std::vector<uint32_t> path;  // open nodes, by depth
  const auto close_to = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) trie[path.back()].next = static_cast<uint32_t>(trie.size());
  };
  std::string_view last;
  for (uint32_t i = 0; i < sorted_.size(); ++i) {
    const std::string_view bytes = token_bytes(sorted_[i]);
    if ((bytes.size() > kShortBytes) != is_long) continue;
    const size_t shared = common_prefix(last, bytes);
    close_to(shared);
    for (size_t at = shared; at < bytes.size(); ++at) {
      path.push_back(static_cast<uint32_t>(trie.size()));
      trie.push_back({.next = 0,
                      .first_token = i,
                      .token_count = 0,
                      .depth = static_cast<uint8_t>(at + 1),
                      .byte = static_cast<uint8_t>(bytes[at])});
    }
    TrieNode& node = trie[path.back()];
    if (node.token_count++ == 0) node.first_token = i;
    last = bytes;
  }
  close_to(0);
  return trie;
}

std::string_view TokenVocabulary::token_bytes(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= token_bytes_.size()) return {};
  return token_bytes_[static_cast<size_t>(id)];
}

}  // namespace fathom::grammar
