#include "tokenizer/stream_decoder.h"

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

std::string StreamDecoder::push(TokenId id) {
  if (!tokenizer_->has_token(id) || (skip_special_ && tokenizer_->is_special(id))) return {};
  held_ += tokenizer_->token_bytes(id);
  const size_t keep = incomplete_utf8_tail(held_);
  std::string out = valid_utf8(std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out = valid_utf8(held_);
  held_.clear();
  return out;
}

}  // namespace fathom::tokenizer
