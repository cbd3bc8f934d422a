// DeepSeek-V3 and R1: roles by token, calls fenced as JSON.

#include "base/error.h"
#include "tokenizer/chat_writer.h"

namespace fathom::tokenizer::chat {
namespace {

const std::vector<ToolCall>& calls_of(const Message& message) {
  if (!message.tool_calls) fail(ErrorCode::kInvalidArgument, "messages", "tool_calls is null, expected a list");
  return *message.tool_calls;
}

// How a call is to be written, for the model to read.
constexpr std::string_view kFencedCall =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\nARGUMENTS\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

// V3 and R1 write a call with its type and fence its arguments.
void fenced_call(const ToolCall& call, Writer& out) {
  out.control(kCallBegin).plain(call.type).control(kSeparator);
  out.plain(call.name + "\n```json\n" + call.arguments + "\n```").control(kCallEnd);
}

// The published templates: flags are set once for the whole conversation.
class Published {
 public:
  Published(ChatEncoding encoding, Writer& out) : encoding_(encoding), out_(out) {}

  void render(const std::vector<Message>& messages, const ChatOptions& options) {
    const std::string block = options.tools.empty() ? std::string() : tools_block(options.tools, kFencedCall);
    out_.control(kBos).plain(with_block(joined_systems(messages), block));
    for (const Message& message : messages) {
      if (message.role == "user") {
        is_tool_ = false;
        out_.control(kUser).plain(content_of(message));
      } else if (message.role == "assistant") {
        assistant(message);
      } else if (message.role == "tool") {
        tool(message);
      }
    }
    if (is_tool_) out_.control(kOutputsEnd);
    if (options.add_generation_prompt && !is_tool_) {
      out_.control(kAssistant);
      if (encoding_ == ChatEncoding::kR1Think) out_.control(kThink).plain("\n");
    }
  }

 private:
  bool is_r1() const { return encoding_ != ChatEncoding::kV3; }

  void assistant(const Message& message) {
    // V3 asks whether the content is missing, R1 whether the key of calls is there.
    if (is_r1() ? message.has_tool_calls_key : !message.content) {
      is_tool_ = false;
      calls(message);
      return;
    }
    if (is_tool_) {
      out_.control(kOutputsEnd).plain(content_of(message)).control(kEos);
      is_tool_ = false;
      return;
    }
    out_.control(kAssistant);
    out_.plain(is_r1() ? after_last_think(content_of(message)) : content_of(message)).control(kEos);
  }

  void calls(const Message& message) {
    for (const ToolCall& call : calls_of(message)) {
      if (!has_called_) {
        out_.control(kAssistant);
        if (is_r1() && message.content) out_.plain(*message.content);
        out_.control(kCallsBegin);
        fenced_call(call, out_);
        has_called_ = true;
        continue;
      }
      out_.plain("\n");
      fenced_call(call, out_);
      if (!is_r1()) out_.control(kCallsEnd).control(kEos);
    }
    if (is_r1()) out_.control(kCallsEnd).control(kEos);
  }

  void tool(const Message& message) {
    is_tool_ = true;
    if (is_first_output_) {
      out_.control(kOutputsBegin);
      is_first_output_ = false;
    } else if (!is_r1()) {
      out_.plain("\n");
    }
    out_.control(kOutputBegin).plain(content_of(message)).control(kOutputEnd);
  }

  ChatEncoding encoding_;
  Writer& out_;
  bool has_called_ = false;
  bool is_tool_ = false;
  bool is_first_output_ = true;
};

// The same encoding with every opener and closer in its place.
class Corrected {
 public:
  Corrected(ChatEncoding encoding, Writer& out) : is_0528_(encoding == ChatEncoding::kR10528), out_(out) {}

  void render(const std::vector<Message>& messages, const ChatOptions& options) {
    const std::string block = options.tools.empty() ? std::string() : tools_block(options.tools, kFencedCall);
    out_.control(kBos).plain(with_block(joined_systems(messages), block));
    for (const Message& message : messages) {
      if (message.role == "user") {
        close_outputs();
        out_.control(kUser).plain(content_of(message));
        has_answer_begun_ = false;
      } else if (message.role == "assistant") {
        assistant(message);
      } else if (message.role == "tool") {
        tool(message);
      }
    }
    const bool is_after_outputs = is_in_outputs_;
    close_outputs();
    if (options.add_generation_prompt && !is_after_outputs && !is_prefix_) out_.control(kAssistant);
  }

 private:
  void close_outputs() {
    if (is_in_outputs_) out_.control(kOutputsEnd);
    is_in_outputs_ = false;
  }

  void assistant(const Message& message) {
    // An answer goes on behind the results of its tools.
    if (!is_in_outputs_ && !(is_0528_ && has_answer_begun_)) out_.control(kAssistant);
    close_outputs();
    has_answer_begun_ = true;
    const bool has_calls = message.tool_calls && !message.tool_calls->empty();
    const std::string content = has_calls ? message.content.value_or("") : content_of(message);
    out_.plain(is_0528_ ? after_last_think(content) : content);
    if (has_calls) {
      out_.control(kCallsBegin);
      for (size_t i = 0; i < message.tool_calls->size(); ++i) {
        if (i > 0) out_.plain("\n");
        fenced_call((*message.tool_calls)[i], out_);
      }
      out_.control(kCallsEnd);
    }
    is_prefix_ = message.is_prefix;
    if (!is_prefix_) out_.control(kEos);
  }

  void tool(const Message& message) {
    is_in_outputs_ ? out_.plain("\n") : out_.control(kOutputsBegin);
    is_in_outputs_ = true;
    out_.control(kOutputBegin).plain(content_of(message)).control(kOutputEnd);
  }

  bool is_0528_;
  Writer& out_;
  bool is_in_outputs_ = false;
  bool has_answer_begun_ = false;  // since the user's last message
  bool is_prefix_ = false;
};

}  // namespace

void render_v3_published(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options,
                         Writer& out) {
  Published(encoding, out).render(messages, options);
}

void render_v3_corrected(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options,
                         Writer& out) {
  Corrected(encoding, out).render(messages, options);
}

}  // namespace fathom::tokenizer::chat
