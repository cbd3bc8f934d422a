#include "cli/chat_display.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "assistant/call_text.h"
#include "base/error.h"

namespace fathom::cli {
namespace {

constexpr const char* kDim = "\x1b[2m";
constexpr const char* kPlain = "\x1b[0m";

}  // namespace

void print_now(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kIo, "standard output", "cannot write: {}", std::strerror(errno));
  }
}

void ChatDisplay::on_text(const assistant::ReplyParts& parts) {
  if (!parts.reasoning.empty() && !hides_reasoning_) {
    if (!is_in_reasoning_) print_now(is_terminal_ ? kDim : "<think>\n");
    is_in_reasoning_ = true;
    print_now(parts.reasoning);
  }
  if (!parts.content.empty()) {
    end_reasoning();
    print_now(parts.content);
    is_in_line_ = !parts.content.ends_with('\n');
  }
}

void ChatDisplay::on_call(const tokenizer::ToolCall& call, const std::string& result) {
  aside(assistant::call_text(call, result));
}

void ChatDisplay::on_notice(const std::string& text) { aside(assistant::one_line(text) + "\n"); }

void ChatDisplay::aside(const std::string& lines) {
  end_reasoning();
  if (is_in_line_) print_now("\n");
  is_in_line_ = false;
  if (is_terminal_) {
    print_now(kDim + lines + kPlain);
  } else {
    fmt::print(stderr, "{}", lines);
  }
}

void ChatDisplay::finish() {
  end_reasoning();
  print_now("\n");
  is_in_line_ = false;
}

void ChatDisplay::end_reasoning() {
  if (is_in_reasoning_) print_now(is_terminal_ ? "\x1b[0m\n\n" : "\n</think>\n\n");
  is_in_reasoning_ = false;
}

}  // namespace fathom::cli
