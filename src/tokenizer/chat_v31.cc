// DeepSeek-V3.1 and V3.2-Exp: one model that thinks or does not, told by <think> or </think> behind the role token.

#include "tokenizer/chat_writer.h"

namespace fathom::tokenizer::chat {
namespace {

constexpr std::string_view kBareCall =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>ARGUMENTS<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

class Renderer {
 public:
  Renderer(ChatEncoding encoding, const ChatOptions& options, Writer& out)
      : is_v32_(encoding == ChatEncoding::kV32Exp), options_(options), out_(out) {}

  void render(const std::vector<Message>& messages) {
    const std::string block = options_.tools.empty() ? std::string() : tools_block(options_.tools, kBareCall);
    out_.control(kBos).plain(with_block(joined_systems(messages), block));
    for (const Message& message : messages) is_only_system_ = is_only_system_ || message.role == "system";
    for (const Message& message : messages) {
      if (message.role == "user") {
        is_tool_ = false;
        is_last_user_ = true;
        out_.control(kUser).plain(content_of(message));
      } else if (message.role == "assistant") {
        message.tool_calls ? calls(message) : text(message);
      } else if (message.role == "tool") {
        is_last_user_ = false;
        is_tool_ = true;
        out_.control(kOutputBegin).plain(content_of(message)).control(kOutputEnd);
      }
      if (message.role != "system") is_only_system_ = false;
    }
    const bool is_open = is_v32_ ? is_last_user_ || is_only_system_ || !is_prefix_ : is_last_user_;
    if (options_.add_generation_prompt && !is_tool_ && is_open) {
      out_.control(kAssistant).control(options_.thinking ? kThink : kThinkEnd);
    }
  }

 private:
  void calls(const Message& message) {
    if (is_last_user_ || (is_v32_ && is_only_system_)) out_.control(kAssistant).control(kThinkEnd);
    is_last_user_ = false;
    is_tool_ = false;
    bool is_first = true;
    for (const ToolCall& call : *message.tool_calls) {
      if (is_first) out_.plain(message.content.value_or("")).control(kCallsBegin);
      is_first = false;
      out_.control(kCallBegin).plain(call.name).control(kSeparator).plain(call.arguments).control(kCallEnd);
    }
    out_.control(kCallsEnd).control(kEos);
  }

  void text(const Message& message) {
    if (is_last_user_) {
      out_.control(kAssistant).control(message.is_prefix && options_.thinking ? kThink : kThinkEnd);
    }
    is_prefix_ = is_prefix_ || message.is_prefix;
    is_last_user_ = false;
    out_.plain(is_tool_ ? content_of(message) : after_first_think(content_of(message))).control(kEos);
    is_tool_ = false;
  }

  bool is_v32_;
  const ChatOptions& options_;
  Writer& out_;
  bool is_tool_ = false;
  bool is_last_user_ = false;
  bool is_only_system_ = false;
  bool is_prefix_ = false;
};

}  // namespace

void render_v31(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options, Writer& out) {
  Renderer(encoding, options, out).render(messages);
}

}  // namespace fathom::tokenizer::chat
