#include "tokenizer/chat_writer.h"

#include "base/error.h"

namespace fathom::tokenizer {

std::vector<Message> read_messages(const json::Reader& json) {
  std::vector<Message> messages;
  const auto text = [](const json::Reader& field) { return std::string(field.as_string()); };
  for (const auto& item : json.items()) {
    Message message;
    message.role = text(item.get("role"));
    if (const auto content = item.find("content")) message.content = text(*content);
    if (const auto reasoning = item.find("reasoning_content")) message.reasoning_content = text(*reasoning);
    message.has_tool_calls_key = item.value().get_object().if_contains("tool_calls") != nullptr;
    if (const auto calls = item.find("tool_calls")) {
      message.tool_calls.emplace();
      for (const auto& call : calls->items()) {
        const auto type = call.find("type");
        const auto function = call.get("function");
        message.tool_calls->push_back({.type = type ? text(*type) : "function",
                                       .name = text(function.get("name")),
                                       .arguments = text(function.get("arguments"))});
      }
    }
    if (const auto prefix = item.find("prefix")) message.is_prefix = prefix->as_bool();
    messages.push_back(std::move(message));
  }
  return messages;
}

std::vector<Tool> read_tools(const json::Reader& json) {
  std::vector<Tool> tools;
  for (const auto& item : json.items()) {
    const auto function = item.get("function");
    const auto description = function.find("description");
    const auto parameters = function.find("parameters");
    if (parameters && !parameters->is_object()) parameters->fail_expected("an object");
    tools.push_back({.name = std::string(function.get("name").as_string()),
                     .description = description ? std::string(description->as_string()) : "",
                     .parameters = parameters ? parameters->value() : json::Value(json::Object()),
                     .declaration = function.value()});
  }
  return tools;
}

namespace chat {
namespace {

std::string after(const std::string& text, size_t end_of_thought) {
  return end_of_thought == std::string::npos ? text : text.substr(end_of_thought + kThinkEnd.size());
}

}  // namespace

const std::string& content_of(const Message& message) {
  if (!message.content) {
    fail(ErrorCode::kInvalidArgument, "messages", "a message of role '{}' has no content, expected a text",
         message.role);
  }
  return *message.content;
}

std::string joined_systems(const std::vector<Message>& messages) {
  std::string out;
  bool is_first = true;
  for (const Message& message : messages) {
    if (message.role != "system") continue;
    if (!is_first) out += "\n\n";
    is_first = false;
    out += content_of(message);
  }
  return out;
}

std::string after_last_think(const std::string& text) { return after(text, text.rfind(kThinkEnd)); }
std::string after_first_think(const std::string& text) { return after(text, text.find(kThinkEnd)); }

std::string tools_block(const std::vector<Tool>& tools, std::string_view call) {
  std::string out = "## Tools\n\nThese tools can be called:\n";
  for (const Tool& tool : tools) {
    out += fmt::format("\n### {}\n\nDescription: {}\n\nParameters: {}\n", tool.name, tool.description,
                       json::dump(tool.parameters));
  }
  out += fmt::format(
      "\nA call is written exactly so:\n{}\n\n"
      "- NAME is the name of one of these tools.\n"
      "- ARGUMENTS is a JSON object that fits the tool's parameters.\n"
      "- Several calls follow each other between the same begin and end of calls.\n",
      call);
  return out;
}

std::string with_block(const std::string& system, const std::string& block) {
  return system.empty() || block.empty() ? system + block : system + "\n\n" + block;
}

void render_v2(const std::vector<Message>& messages, const ChatOptions& options, Writer& out) {
  if (!options.tools.empty()) {
    fail(ErrorCode::kUnsupported, "tools", "the encoding v2 has no tool calls; expected none");
  }
  out.control(kBos);
  for (const Message& message : messages) {
    if (message.role == "user") out.plain("User: " + content_of(message) + "\n\n");
    if (message.role == "assistant") out.plain("Assistant: " + content_of(message)).control(kEos);
    if (message.role == "system") out.plain(content_of(message) + "\n\n");
  }
  if (options.add_generation_prompt) out.plain("Assistant:");
}

}  // namespace chat
}  // namespace fathom::tokenizer
