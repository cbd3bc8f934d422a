#pragma once
// The tools that a chat has, and the running of calls.

#include <memory>
#include <string>
#include <vector>

#include "assistant/tool.h"

namespace fathom::assistant {

class ToolBox {
 public:
  // Throws Error(kInvalidArgument) when a tool of that name is there.
  void add(std::unique_ptr<Tool> tool);

  bool empty() const { return tools_.empty(); }
  // In the order in which they were added.
  const std::vector<std::unique_ptr<Tool>>& tools() const { return tools_; }
  std::vector<tokenizer::Tool> declarations() const;

  // The text that answers a call. An unknown tool, arguments that are no JSON or do not fit the declaration, and what
  // fails inside of a tool are texts that begin with "error: ", for the model to read; no Error is thrown.
  std::string run(const tokenizer::ToolCall& call) const;

 private:
  const std::unique_ptr<Tool>* find(const std::string& name) const;

  std::vector<std::unique_ptr<Tool>> tools_;
};

// The tools that `folder`/tools.json lists: [{"tool": "lookup_command", "pages": "pages.jsonl"}, {"tool":
// "calculator"},
// {"tool": "get_time"}], files by their path from `folder`. Throws Error naming file and field.
ToolBox load_tools(const std::string& folder);

// "tools.json"
extern const char* const kToolsFile;

}  // namespace fathom::assistant
