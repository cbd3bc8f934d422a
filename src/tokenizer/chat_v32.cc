// DeepSeek-V3.2: calls in DSML tags, thinking kept within the current round of tools. No template was published; the
// rules are those of its encoder.

#include "base/error.h"
#include "tokenizer/chat_writer.h"

namespace fathom::tokenizer::chat {
namespace {

// As Python writes it, which the model was trained to read.
std::string spaced(const json::Value& value) { return json::dump(value, json::Style::kPython); }

std::string preamble(const std::vector<Tool>& tools) {
  std::string out =
      "## Tools\n\nThe functions below can be called. A round of calls is written so:\n\n"
      "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"NAME\">\n"
      "<｜DSML｜parameter name=\"PARAMETER\" string=\"true|false\">VALUE</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n</｜DSML｜function_calls>\n\n"
      "Texts stand as they are with string=\"true\"; all other values are JSON with string=\"false\".\n\n<functions>\n";
  for (const Tool& tool : tools) out += spaced(tool.declaration) + "\n";
  return out + "</functions>\n";
}

// What a model wrote need not be an object, nor JSON: then the text is the one parameter.
json::Object parameters(const std::string& arguments) {
  try {
    json::Value value = json::parse(arguments, "arguments");
    if (value.is_object()) return std::move(value.get_object());
  } catch (const Error&) {  // no error, as said above
  }
  return json::Object{{"arguments", arguments}};
}

class Renderer {
 public:
  Renderer(const std::vector<Message>& messages, const ChatOptions& options, Writer& out)
      : messages_(messages), options_(options), out_(out) {
    for (size_t i = 0; i < messages.size(); ++i) {
      if (is_user(messages[i])) last_user_ = static_cast<int64_t>(i);
    }
  }

  void render() {
    out_.control(kBos);
    const std::string block = options_.tools.empty() ? std::string() : preamble(options_.tools);
    out_.plain(with_block(joined_systems(messages_), block));
    for (size_t i = 0; i < messages_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const Message& message = messages_[i];
      if (is_user(message)) {
        out_.control(kUser).plain(content_of(message));
        if (is_answered(i)) out_.control(kAssistant).control(think_token(at));
      } else if (message.role == "assistant") {
        assistant(message, at);
      } else if (message.role == "tool") {
        tool(i);
      }
    }
  }

 private:
  static bool is_user(const Message& message) { return message.role == "user" || message.role == "developer"; }

  // A turn carries the opening of its answer, unless it is the last and no answer is asked for.
  bool is_answered(size_t i) const { return i + 1 < messages_.size() || options_.add_generation_prompt; }

  std::string_view think_token(int64_t at) const { return options_.thinking && at >= last_user_ ? kThink : kThinkEnd; }

  void assistant(const Message& message, int64_t at) {
    if (options_.thinking && at > last_user_) {
      out_.plain(message.reasoning_content.value_or("")).control(kThinkEnd);
    }
    const bool has_calls = message.tool_calls && !message.tool_calls->empty();
    out_.plain(has_calls ? message.content.value_or("") : content_of(message));
    if (has_calls) calls(*message.tool_calls);
    if (!message.is_prefix) out_.control(kEos);
  }

  void tag(std::string_view before, std::string_view after) { out_.plain(before).control(kDsml).plain(after); }

  void calls(const std::vector<ToolCall>& tool_calls) {
    tag("\n\n<", "function_calls>\n");
    for (const ToolCall& call : tool_calls) {
      tag("<", fmt::format("invoke name=\"{}\">\n", call.name));
      for (const auto& [key, value] : parameters(call.arguments)) {
        tag("<", fmt::format("parameter name=\"{}\" string=\"{}\">", std::string_view(key), value.is_string()));
        out_.plain(value.is_string() ? std::string(value.get_string()) : spaced(value));
        tag("</", "parameter>\n");
      }
      tag("</", "invoke>\n");
    }
    tag("</", "function_calls>");
  }

  // Results of one round share their wrapper.
  void tool(size_t i) {
    if (i == 0 || messages_[i - 1].role != "tool") out_.plain("\n\n<function_results>");
    out_.plain("\n<result>").plain(content_of(messages_[i])).plain("</result>");
    if (i + 1 < messages_.size() && messages_[i + 1].role == "tool") return;
    out_.plain("\n</function_results>");
    if (is_answered(i)) out_.plain("\n\n").control(think_token(static_cast<int64_t>(i)));
  }

  const std::vector<Message>& messages_;
  const ChatOptions& options_;
  Writer& out_;
  int64_t last_user_ = -1;
};

}  // namespace

void render_v32(const std::vector<Message>& messages, const ChatOptions& options, Writer& out) {
  Renderer(messages, options, out).render();
}

}  // namespace fathom::tokenizer::chat
