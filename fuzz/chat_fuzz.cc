// Bytes as a request with messages and tools: every encoding renders it or refuses it; and bytes as an answer, parted
// into reasoning and content however it is cut.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/chat.h"
#include "tokenizer/reasoning_splitter.h"

namespace {

using namespace fathom::tokenizer;

void render(std::string_view text) {
  const auto value = fathom::json::parse(text, "input");
  const fathom::json::Reader json(value, "input");
  const auto messages = read_messages(json.get("messages"));
  const auto tools = json.find("tools");
  ChatOptions options;
  if (tools) options.tools = read_tools(*tools);
  for (int encoding = 0; encoding <= static_cast<int>(ChatEncoding::kV32); ++encoding) {
    for (const bool flag : {false, true}) {
      options.thinking = flag;
      options.add_generation_prompt = flag;
      try {
        const auto segments = render_chat(static_cast<ChatEncoding>(encoding), messages, options);
        if (segments.empty() || segments[0].text != kBos) std::abort();
      } catch (const fathom::Error&) {
      }
    }
  }
}

std::string parts_text(const ReasoningSplitter::Parts& parts) { return parts.reasoning + "|" + parts.content; }

void split(std::string_view text) {
  for (const bool is_inside : {false, true}) {
    ReasoningSplitter whole(is_inside);
    ReasoningSplitter bytes(is_inside);
    ReasoningSplitter::Parts a = whole.push(text);
    ReasoningSplitter::Parts b;
    const auto add = [](ReasoningSplitter::Parts& to, const ReasoningSplitter::Parts& more) {
      to.reasoning += more.reasoning;
      to.content += more.content;
    };
    add(a, whole.finish());
    for (const char byte : text) add(b, bytes.push(std::string_view(&byte, 1)));
    add(b, bytes.finish());
    if (parts_text(a) != parts_text(b)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  split(text);
  try {
    render(text);
  } catch (const fathom::Error&) {
  }
  return 0;
}
