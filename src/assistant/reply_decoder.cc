#include "assistant/reply_decoder.h"

#include "tokenizer/chat_writer.h"

namespace fathom::assistant {
namespace {

constexpr std::string_view kOfCalls[] = {tokenizer::chat::kCallsBegin, tokenizer::chat::kCallsEnd,
                                         tokenizer::chat::kCallBegin, tokenizer::chat::kCallEnd,
                                         tokenizer::chat::kSeparator};

void add_plain(std::string text, std::vector<tokenizer::Segment>& out) {
  if (!text.empty()) out.push_back(tokenizer::plain(text));
}

}  // namespace

ReplyDecoder::ReplyDecoder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer) : decoder_(tokenizer) {
  for (const std::string_view text : kOfCalls) {
    if (const auto id = tokenizer->find_added(text)) controls_.emplace(*id, text);
  }
}

std::vector<tokenizer::Segment> ReplyDecoder::push(tokenizer::TokenId id) {
  std::vector<tokenizer::Segment> out;
  const auto found = controls_.find(id);
  if (found == controls_.end()) {
    add_plain(decoder_.push(id), out);
  } else {
    add_plain(decoder_.finish(), out);
    out.push_back(tokenizer::control(found->second));
  }
  return out;
}

std::vector<tokenizer::Segment> ReplyDecoder::finish() {
  std::vector<tokenizer::Segment> out;
  add_plain(decoder_.finish(), out);
  return out;
}

}  // namespace fathom::assistant
