#pragma once
// Tokens of a reply to the segments that a Conversation reads.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/segment.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::assistant {

class ReplyDecoder {
 public:
  explicit ReplyDecoder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer);

  // What became certain with this token: text in whole characters, and the controls of calls in segments of their own.
  // Special tokens give nothing; other controls are text.
  std::vector<tokenizer::Segment> push(tokenizer::TokenId id);
  // What is left.
  std::vector<tokenizer::Segment> finish();

 private:
  std::unordered_map<tokenizer::TokenId, std::string> controls_;
  tokenizer::StreamDecoder decoder_;
};

}  // namespace fathom::assistant
