#pragma once
// Function calls in what a model wrote, controls included as text.

#include <string>
#include <vector>

#include "tokenizer/chat.h"

namespace fathom::tokenizer {

struct CalledAnswer {
  std::string content;  // in front of the calls
  std::vector<ToolCall> calls;
};

// Takes an answer apart. Calls of V3.1 stand between <｜tool▁calls▁begin｜> and <｜tool▁calls▁end｜>, each as
// <｜tool▁call▁begin｜>NAME<｜tool▁sep｜>ARGUMENTS<｜tool▁call▁end｜>; an answer that ends inside of one gives what
// there is. Throws Error(kUnsupported) for encodings that write calls otherwise.
CalledAnswer parse_tool_calls(ChatEncoding encoding, const std::string& text);

}  // namespace fathom::tokenizer
