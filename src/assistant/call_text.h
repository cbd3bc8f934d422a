#pragma once
// A call as a person reads it.

#include <string>
#include <string_view>

#include "tokenizer/chat.h"

namespace fathom::assistant {

// "· lookup_command tar", and the first three lines of the result, each indented: lines that end in line feeds. An only
// argument that is a text is shown as that text. Long lines are cut, and control characters are blanks.
std::string call_text(const tokenizer::ToolCall& call, std::string_view result);

// `text` in one line, as above.
std::string one_line(std::string_view text);

}  // namespace fathom::assistant
