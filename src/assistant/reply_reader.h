#pragma once
// A model's reply as it comes, parted into reasoning, content and calls.

#include <string>
#include <vector>

#include "tokenizer/chat.h"
#include "tokenizer/reasoning_splitter.h"

namespace fathom::assistant {

using ReplyParts = tokenizer::ReasoningSplitter::Parts;

class ReplyReader {
 public:
  // `is_reasoning`: the prompt ended inside of reasoning. With `reads_calls`, the control that begins calls ends the
  // text; without, controls are text like any other.
  ReplyReader(tokenizer::ChatEncoding encoding, bool is_reasoning, bool reads_calls)
      : encoding_(encoding), reads_calls_(reads_calls), splitter_(is_reasoning) {}

  // What became certain with the next piece. Only a control segment begins calls: text that spells one is text.
  ReplyParts push(const tokenizer::Segment& piece);
  // The rest, when no more comes.
  ReplyParts finish();

  // Whether the calls are closed: what comes behind belongs to nobody.
  bool is_complete() const { return is_complete_; }
  // The calls so far; the last one as far as it got.
  std::vector<tokenizer::ToolCall> calls() const;

 private:
  tokenizer::ChatEncoding encoding_;
  bool reads_calls_;
  bool is_complete_ = false;
  tokenizer::ReasoningSplitter splitter_;
  std::string calls_;  // with their controls, from the first one on
};

}  // namespace fathom::assistant
