#pragma once
// Tokens that stand in the text as they are written ("<｜User｜>"): found before the text is cut and merged.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace fathom::tokenizer {

struct AddedToken {
  TokenId id = 0;
  std::string text;
  bool is_special = false;      // hidden by decoding that skips specials
  bool is_normalized = false;   // matched in a second pass, after those that are not
  bool strips_left = false;     // takes the white space before it
  bool strips_right = false;    // and behind it
  bool is_single_word = false;  // only where no word character adjoins
};

// Finds the tokens of one set in a text: leftmost, longest, without overlap.
class AddedTokenMatcher {
 public:
  // The tokens have different texts, none of them empty.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  struct Match {
    size_t begin;
    size_t end;  // equal to begin: none
    TokenId id;
  };
  // The next token in `text` at or after `from`. White space that it takes on its left ends at `from` at the latest.
  // Safe from any thread.
  Match find(std::string_view text, size_t from) const;

  bool empty() const { return tokens_.empty(); }

 private:
  // The longest token that begins at `at`; nullptr without one.
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;  // by text
  std::array<bool, 256> begins_{};  // bytes that a token begins with
  int only_first_ = -1;             // that byte when there is just one
};

}  // namespace fathom::tokenizer
