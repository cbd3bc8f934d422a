#pragma once
// Questions with known answers, one JSON object a line:
//   {"messages": [...], "tools"?, "answer"?, "response_format"?}  a chat; what its assistant says is expected
//   {"prompt", "suffix"?, "answer"}                               a text to complete, up to the end of its line
//   {"messages" | "prompt", "choices": [texts], "answer"}         which continuation is the likeliest; answer: its
//                                                                 text, or its index from 0
// "id" and "kind" name and group them.

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/chat.h"

namespace fathom::evaluate {

enum class Check {
  kExact,   // the text, blanks at its ends aside
  kJson,    // the value that the text stands for; order of keys and blanks do not count
  kCalls,   // names and parsed arguments of function calls, in their order
  kLine,    // the text up to the first line's end, blanks at its end aside
  kChoice,  // the likeliest of several
};
const char* check_name(Check check);

struct Task {
  std::string id;
  std::string kind;
  Check check = Check::kExact;
  std::vector<tokenizer::Segment> prompt;
  bool is_reasoning = false;                    // what comes first is reasoning, up to </think>
  std::vector<std::string> answers = {};        // any of them is right
  std::vector<tokenizer::ToolCall> calls = {};  // kCalls
  std::vector<std::string> choices = {};        // kChoice
  size_t choice = 0;                            // the right one
};

// Tasks of one line; a chat may hold several: its calls, and its last answer. None: nothing in it can be checked.
// Throws Error naming line and field.
std::vector<Task> read_tasks(const json::Reader& line, tokenizer::ChatEncoding encoding);
// Of all lines. Empty lines are passed over. Throws Error.
std::vector<Task> read_tasks(std::istream& in, const std::string& where, tokenizer::ChatEncoding encoding);

// Whether `text`, controls included and reasoning taken off, answers the task. Not for choices.
bool is_right(const Task& task, tokenizer::ChatEncoding encoding, const std::string& text);

// Harmonic mean of precision and recall of the words of `text` among those of `expected`, from 0 to 1.
double word_f1(const std::string& text, const std::string& expected);

}  // namespace fathom::evaluate
