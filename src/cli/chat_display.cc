#include "cli/chat_display.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace fathom::cli {
namespace {

constexpr const char* kDim = "\x1b[2m";
constexpr const char* kPlain = "\x1b[0m";
constexpr int kMostLines = 3;
constexpr size_t kMostLineBytes = 160;

// One line of at most kMostLineBytes, whatever `text` holds.
std::string one_line(std::string_view text) {
  std::string out(text.substr(0, kMostLineBytes));
  out.resize(out.size() - tokenizer::incomplete_utf8_tail(out));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out.size() < text.size() ? out + "…" : out;
}

// The only argument when it is a text; otherwise all of them as they were written.
std::string arguments_text(const std::string& arguments) {
  try {
    const json::Value value = json::parse(arguments, "arguments");
    if (value.is_object() && value.get_object().size() == 1) {
      const json::Value& only = value.get_object().begin()->value();
      if (only.is_string()) return std::string(only.get_string());
    }
  } catch (const Error&) {
    // The model reads of it; the person sees what it wrote.
  }
  return arguments;
}

}  // namespace

void print_now(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kIo, "standard output", "cannot write: {}", std::strerror(errno));
  }
}

std::string call_text(const tokenizer::ToolCall& call, const std::string& result) {
  std::string out = fmt::format("· {} {}\n", one_line(call.name), one_line(arguments_text(call.arguments)));
  int lines = 0;
  for (std::string_view rest = result; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    if (++lines > kMostLines) {
      out += "  …\n";
      break;
    }
    out += "  " + one_line(line) + "\n";
  }
  return out;
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
  aside(call_text(call, result));
}

void ChatDisplay::on_notice(const std::string& text) { aside(one_line(text) + "\n"); }

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
