#include "assistant/reply_reader.h"

#include "tokenizer/chat_writer.h"
#include "tokenizer/tool_call_parser.h"

namespace fathom::assistant {

ReplyParts ReplyReader::push(const tokenizer::Segment& piece) {
  if (is_complete_) return {};
  const bool begins = calls_.empty() && reads_calls_ && piece.is_control && piece.text == tokenizer::chat::kCallsBegin;
  if (calls_.empty() && !begins) return splitter_.push(piece.text);
  calls_ += piece.text;
  is_complete_ = piece.is_control && piece.text == tokenizer::chat::kCallsEnd;
  return begins ? splitter_.finish() : ReplyParts();
}

ReplyParts ReplyReader::finish() { return calls_.empty() ? splitter_.finish() : ReplyParts(); }

std::vector<tokenizer::ToolCall> ReplyReader::calls() const {
  if (calls_.empty()) return {};
  return tokenizer::parse_tool_calls(encoding_, calls_).calls;
}

}  // namespace fathom::assistant
