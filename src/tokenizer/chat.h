#pragma once
// Chat messages to the prompt that a model was trained on, in code. Where a template was published with a checkpoint,
// its encoding here does what that template does, defects included, so that prompts are those of the reference.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/segment.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

enum class ChatEncoding {
  kV2,           // V2, V2-Lite, Coder-V2: "User: ", "Assistant: "
  kV25,          // V2.5: the role tokens of V3
  kV3,           // V3 (December 2024) as published
  kV3Corrected,  // the same without the defects of its template
  kR1,           // R1 as first published
  kR1Think,      // R1 from February 2025 on: the prompt ends in <think>
  kR10528,       // R1-0528
  kV31,          // V3.1, V3.1-Terminus
  kV32Exp,       // V3.2-Exp
  kV32,          // V3.2: calls in DSML tags
};

struct ToolCall {
  std::string type = "function";
  std::string name;
  std::string arguments;  // JSON text
};

struct Message {
  std::string role;  // system, developer, user, assistant, tool; others are passed over
  std::optional<std::string> content;
  std::optional<std::string> reasoning_content;  // assistant: what it thought
  std::optional<std::vector<ToolCall>> tool_calls;
  bool has_tool_calls_key = false;  // the key is there, be it null: some templates ask only that
  bool is_prefix = false;           // assistant: the beginning of the answer
};

// A function that the model may call.
struct Tool {
  std::string name;
  std::string description;
  json::Value parameters;   // JSON Schema
  json::Value declaration;  // the whole `function` object
};

struct ChatOptions {
  bool add_generation_prompt = true;
  bool thinking = false;
  std::vector<Tool> tools = {};
};

// The messages of a JSON array, and the tools. Throw Error with the path of what is wrong.
std::vector<Message> read_messages(const json::Reader& json);
std::vector<Tool> read_tools(const json::Reader& json);

// The prompt in segments, beginning with the begin-of-sentence token. Throws Error(kInvalidArgument) where the template
// would fail, for example on missing content, and for tools in an encoding that has no way to declare them.
std::vector<Segment> render_chat(ChatEncoding encoding, const std::vector<Message>& messages,
                                 const ChatOptions& options);

// "v2", "v2.5", "v3" (also "v3-exact"), "v3-corrected", "r1", "r1-think", "r1-0528", "v3.1", "v3.2-exp", "v3.2". Throws
// Error listing them.
ChatEncoding chat_encoding_from_name(std::string_view name);
std::string_view chat_encoding_name(ChatEncoding encoding);

// Whether the prompt of these options ends inside of the model's reasoning: what it writes first is that, up to
// </think>. Models that open <think> by themselves are none of these.
bool ends_in_reasoning(ChatEncoding encoding, const ChatOptions& options);

// Which encoding a checkpoint wants, told by the features of its published template (tokenizer_config.json,
// chat_template.jinja) or, without one, by its tokens. Throws Error naming --chat-template when unsure.
ChatEncoding recognise_chat_encoding(const std::string& folder, const Tokenizer& tokenizer);

}  // namespace fathom::tokenizer
