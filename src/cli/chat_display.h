#pragma once
// What a chat shows: on a terminal reasoning and calls dimmed; elsewhere reasoning in the model's own tags, and calls
// on standard error, so that standard output holds answers alone.

#include <string>
#include <string_view>

#include "assistant/conversation.h"

namespace fathom::cli {

// Writes to standard output at once. Throws Error(kIo).
void print_now(std::string_view text);

class ChatDisplay : public assistant::Watcher {
 public:
  ChatDisplay(bool is_terminal, bool hides_reasoning) : is_terminal_(is_terminal), hides_reasoning_(hides_reasoning) {}

  void on_text(const assistant::ReplyParts& parts) override;
  void on_call(const tokenizer::ToolCall& call, const std::string& result) override;
  void on_notice(const std::string& text) override;
  // The end of an answer.
  void finish();

 private:
  void end_reasoning();
  // Lines that are not the model's own words.
  void aside(const std::string& lines);

  bool is_terminal_;
  bool hides_reasoning_;
  bool is_in_reasoning_ = false;
  bool is_in_line_ = false;  // of content
};

}  // namespace fathom::cli
