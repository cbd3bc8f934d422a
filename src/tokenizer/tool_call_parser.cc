#include "tokenizer/tool_call_parser.h"

#include "base/error.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";

}  // namespace

CalledAnswer parse_tool_calls(ChatEncoding encoding, const std::string& text) {
  if (encoding != ChatEncoding::kV31) {
    fail(ErrorCode::kUnsupported, std::string(chat_encoding_name(encoding)), "calls of this encoding are not read");
  }
  CalledAnswer out;
  const size_t begin = text.find(kCallsBegin);
  out.content = text.substr(0, begin);
  if (begin == std::string::npos) return out;
  const std::string_view all(text);
  std::string_view calls = all.substr(begin + kCallsBegin.size());
  calls = calls.substr(0, calls.find(kCallsEnd));
  for (size_t at = calls.find(kCallBegin); at != std::string_view::npos; at = calls.find(kCallBegin)) {
    calls.remove_prefix(at + kCallBegin.size());
    const std::string_view call = calls.substr(0, calls.find(kCallEnd));
    const size_t separator = call.find(kSeparator);
    out.calls.push_back({.name = std::string(call.substr(0, separator)),
                         .arguments = separator == std::string_view::npos
                                          ? std::string()
                                          : std::string(call.substr(separator + kSeparator.size()))});
  }
  return out;
}

}  // namespace fathom::tokenizer
