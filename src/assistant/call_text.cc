#include "assistant/call_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/utf8.h"

namespace fathom::assistant {
namespace {

constexpr int kMostLines = 3;
constexpr size_t kMostLineBytes = 160;

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

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, kMostLineBytes));
  out.resize(out.size() - tokenizer::incomplete_utf8_tail(out));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out.size() < text.size() ? out + "…" : out;
}

std::string call_text(const tokenizer::ToolCall& call, std::string_view result) {
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

}  // namespace fathom::assistant
