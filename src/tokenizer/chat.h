#pragma once
// Chat messages to the text that a model was trained on, in code. Each encoding does what the template published with
// the checkpoint does, defects included, so that prompts are those of the reference.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

enum class ChatEncoding {
  kV2,       // V2, V2-Lite, Coder-V2: "User: ", "Assistant: "
  kV3,       // V3 (December 2024)
  kR1,       // R1 as first published
  kR1Think,  // R1 from February 2025 on: the prompt ends in <think>
  kV31,      // V3.1, V3.1-Terminus
  kV32Exp,   // V3.2-Exp
};

struct ToolCall {
  std::string type = "function";
  std::string name;
  std::string arguments;  // JSON text
};

struct Message {
  std::string role;  // system, user, assistant, tool; others are passed over
  std::optional<std::string> content;
  std::optional<std::vector<ToolCall>> tool_calls;
  bool has_tool_calls_key = false;  // the key is there, be it null: some templates ask only that
  bool is_prefix = false;           // assistant: the beginning of the answer
};

struct ChatOptions {
  bool add_generation_prompt = true;
  bool thinking = false;
};

// The messages of a JSON array. Throws Error with the path of what is wrong.
std::vector<Message> read_messages(const json::Reader& json);

// The prompt in segments; control tokens that the tokenizer lacks are plain text, as they are to the reference.
// Throws Error(kInvalidArgument) where the template would fail, for example on missing content.
std::vector<Segment> render_chat(ChatEncoding encoding, const std::vector<Message>& messages,
                                 const ChatOptions& options, const Tokenizer* tokenizer);

// The text of segments; controls by their own text.
std::string segments_text(const std::vector<Segment>& segments, const Tokenizer* tokenizer);

// "v2", "v3", "r1", "r1-think", "v3.1", "v3.2-exp". Throws Error listing them.
ChatEncoding chat_encoding_from_name(std::string_view name);

// Which encoding a checkpoint wants, told by the features of its published template (tokenizer_config.json,
// chat_template.jinja) or, without one, by its model_type and tokens. Throws Error naming --chat-template when unsure.
ChatEncoding recognise_chat_encoding(const std::string& folder, const Tokenizer& tokenizer);

}  // namespace fathom::tokenizer
