#pragma once
// Ids to text as they come.

#include <memory>
#include <string>

#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

// Gives only whole characters, and at the end U+FFFD for what never became one.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

  // The text that became certain with this token; nothing for ids without a token, which padding rows of an embedding
  // are.
  std::string push(TokenId id);
  // What is left.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  std::string held_;  // the beginning of a character
};

}  // namespace fathom::tokenizer
