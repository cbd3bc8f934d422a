#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "tokenizer/unicode_class.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// Begin of the character that ends at `end`; `end` > 0 in valid UTF-8.
size_t char_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool adjoins_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word_char(decode_utf8(text, char_before(text, begin)).value)) return true;
  return end < text.size() && is_word_char(decode_utf8(text, end).value);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const auto& a, const auto& b) { return a.text < b.text; });
  for (const AddedToken& token : tokens_) begins_[static_cast<uint8_t>(token.text[0])] = true;
  if (std::count(begins_.begin(), begins_.end(), true) == 1) {
    only_first_ = static_cast<int>(std::find(begins_.begin(), begins_.end(), true) - begins_.begin());
  }
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  // The tokens that share the first `depth` bytes of the text are neighbours; a whole one comes first among them.
  const AddedToken* found = nullptr;
  auto low = tokens_.begin();
  auto high = tokens_.end();
  for (size_t depth = 0; low != high; ++depth) {
    if (low->text.size() == depth) {
      found = &*low;
      if (++low == high) break;
    }
    if (at + depth >= text.size()) break;
    const auto byte = static_cast<uint8_t>(text[at + depth]);
    const auto byte_of = [depth](const AddedToken& token) { return static_cast<uint8_t>(token.text[depth]); };
    low = std::partition_point(low, high, [&](const AddedToken& token) { return byte_of(token) < byte; });
    high = std::partition_point(low, high, [&](const AddedToken& token) { return byte_of(token) == byte; });
  }
  return found;
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (only_first_ >= 0) {
      const void* hit = std::memchr(text.data() + at, only_first_, text.size() - at);
      if (hit == nullptr) break;
      at = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    } else if (!begins_[static_cast<uint8_t>(text[at])]) {
      continue;
    }
    const AddedToken* token = longest_at(text, at);
    if (token == nullptr) continue;
    size_t begin = at;
    size_t end = at + token->text.size();
    if (token->is_single_word && adjoins_word(text, begin, end)) {
      at = end - 1;
      continue;
    }
    while (token->strips_left && begin > from) {
      const size_t before = char_before(text, begin);
      if (!is_white_space(decode_utf8(text, before).value)) break;
      begin = std::max(before, from);
    }
    while (token->strips_right && end < text.size()) {
      const CodePoint c = decode_utf8(text, end);
      if (!is_white_space(c.value)) break;
      end += static_cast<size_t>(c.length);
    }
    return {begin, end, token->id};
  }
  return {text.size(), text.size(), -1};
}

}  // namespace fathom::tokenizer
