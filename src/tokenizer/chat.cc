#include "tokenizer/chat.h"

#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
constexpr std::string_view kUser = "<｜User｜>";
constexpr std::string_view kAssistant = "<｜Assistant｜>";
constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
constexpr std::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
constexpr std::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
constexpr std::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
constexpr std::string_view kOutputEnd = "<｜tool▁output▁end｜>";

// Collects segments; control texts become tokens where the tokenizer has them.
class Writer {
 public:
  explicit Writer(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}

  Writer& control(std::string_view text) {
    const auto id = tokenizer_ == nullptr ? std::nullopt : tokenizer_->find(text);
    if (!id) return plain(text);
    segments_.push_back({id, std::string(text)});
    return *this;
  }
  Writer& plain(std::string_view text) {
    if (!text.empty()) segments_.push_back({std::nullopt, std::string(text)});
    return *this;
  }
  std::vector<Segment> take() { return std::move(segments_); }

 private:
  const Tokenizer* tokenizer_;
  std::vector<Segment> segments_;
};

const std::string& content_of(const Message& message) {
  if (!message.content) {
    fail(ErrorCode::kInvalidArgument, "messages", "a message of role '{}' has no content, expected a text",
         message.role);
  }
  return *message.content;
}

const std::vector<ToolCall>& calls_of(const Message& message) {
  if (!message.tool_calls) fail(ErrorCode::kInvalidArgument, "messages", "tool_calls is null, expected a list");
  return *message.tool_calls;
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

std::string after_last_think(const std::string& text) {
  const size_t at = text.rfind(kThinkEnd);
  return at == std::string::npos ? text : text.substr(at + kThinkEnd.size());
}

std::string after_first_think(const std::string& text) {
  const size_t at = text.find(kThinkEnd);
  return at == std::string::npos ? text : text.substr(at + kThinkEnd.size());
}

void render_v2(const std::vector<Message>& messages, const ChatOptions& options, Writer& out) {
  out.control(kBos);
  for (const Message& message : messages) {
    if (message.role == "user") out.plain("User: " + content_of(message) + "\n\n");
    if (message.role == "assistant") out.plain("Assistant: " + content_of(message)).control(kEos);
    if (message.role == "system") out.plain(content_of(message) + "\n\n");
  }
  if (options.add_generation_prompt) out.plain("Assistant:");
}

// V3 and R1 write a call with its type and fence its arguments.
void fenced_call(const ToolCall& call, Writer& out) {
  out.control(kCallBegin).plain(call.type).control(kSeparator);
  out.plain(call.name + "\n```json\n" + call.arguments + "\n```").control(kCallEnd);
}

// The two templates of one build: flags are set once for the whole conversation, as published.
class V3Renderer {
 public:
  V3Renderer(ChatEncoding encoding, Writer& out) : encoding_(encoding), out_(out) {}

  void render(const std::vector<Message>& messages, const ChatOptions& options) {
    out_.control(kBos).plain(joined_systems(messages));
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

class V31Renderer {
 public:
  V31Renderer(ChatEncoding encoding, const ChatOptions& options, Writer& out)
      : is_v32_(encoding == ChatEncoding::kV32Exp), options_(options), out_(out) {}

  void render(const std::vector<Message>& messages) {
    out_.control(kBos).plain(joined_systems(messages));
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

struct NamedEncoding {
  std::string_view name;
  ChatEncoding encoding;
};
constexpr std::array<NamedEncoding, 6> kNames = {{{"v2", ChatEncoding::kV2},
                                                  {"v3", ChatEncoding::kV3},
                                                  {"r1", ChatEncoding::kR1},
                                                  {"r1-think", ChatEncoding::kR1Think},
                                                  {"v3.1", ChatEncoding::kV31},
                                                  {"v3.2-exp", ChatEncoding::kV32Exp}}};

std::optional<std::string> published_template(const std::string& folder) {
  const std::string jinja = folder + "/chat_template.jinja";
  if (std::filesystem::exists(jinja)) return read_text_file(jinja);
  const std::string path = folder + "/tokenizer_config.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const json::Value config = json::parse_file(path);
  const auto found = json::Reader(config, path).find("chat_template");
  if (!found || !found->is_string()) return std::nullopt;
  return std::string(found->as_string());
}

std::optional<ChatEncoding> encoding_of_template(const std::string& text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  if (has("is_only_sys")) return ChatEncoding::kV32Exp;
  if (has("is_last_user") && has("</think>")) return ChatEncoding::kV31;
  if (has("split('</think>')[-1]")) return has("<think>\\n") ? ChatEncoding::kR1Think : ChatEncoding::kR1;
  if (has("is_output_first") && has("tool▁outputs▁begin")) return ChatEncoding::kV3;
  if (has("'User: '")) return ChatEncoding::kV2;
  return std::nullopt;
}

}  // namespace

std::vector<Message> read_messages(const json::Reader& json) {
  std::vector<Message> messages;
  for (const auto& item : json.items()) {
    Message message;
    message.role = item.get("role").as_string();
    if (const auto content = item.find("content")) message.content = std::string(content->as_string());
    message.has_tool_calls_key = item.value().get_object().if_contains("tool_calls") != nullptr;
    if (const auto calls = item.find("tool_calls")) {
      message.tool_calls.emplace();
      for (const auto& call : calls->items()) {
        const auto type = call.find("type");
        message.tool_calls->push_back({.type = type ? std::string(type->as_string()) : "function",
                                       .name = std::string(call.get("function").get("name").as_string()),
                                       .arguments = std::string(call.get("function").get("arguments").as_string())});
      }
    }
    if (const auto prefix = item.find("prefix")) message.is_prefix = prefix->as_bool();
    messages.push_back(std::move(message));
  }
  return messages;
}

std::vector<Segment> render_chat(ChatEncoding encoding, const std::vector<Message>& messages,
                                 const ChatOptions& options, const Tokenizer* tokenizer) {
  Writer out(tokenizer);
  switch (encoding) {
    case ChatEncoding::kV2:
      render_v2(messages, options, out);
      break;
    case ChatEncoding::kV3:
    case ChatEncoding::kR1:
    case ChatEncoding::kR1Think:
      V3Renderer(encoding, out).render(messages, options);
      break;
    case ChatEncoding::kV31:
    case ChatEncoding::kV32Exp:
      V31Renderer(encoding, options, out).render(messages);
      break;
  }
  return out.take();
}

std::string segments_text(const std::vector<Segment>& segments, const Tokenizer* tokenizer) {
  std::string out;
  for (const Segment& segment : segments) {
    out += segment.control && tokenizer != nullptr ? tokenizer->token_bytes(*segment.control) : segment.text;
  }
  return out;
}

ChatEncoding chat_encoding_from_name(std::string_view name) {
  std::string known;
  for (const NamedEncoding& entry : kNames) {
    if (entry.name == name) return entry.encoding;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no chat template '{}'", name), "--chat-template",
              "one of " + known);
}

ChatEncoding recognise_chat_encoding(const std::string& folder, const Tokenizer& tokenizer) {
  if (const auto text = published_template(folder)) {
    if (const auto encoding = encoding_of_template(*text)) return *encoding;
    throw Error(ErrorCode::kUnsupported, "its chat template is none that is known", folder,
                "name the nearest with --chat-template");
  }
  if (tokenizer.find(kUser) && tokenizer.find(kThinkEnd)) return ChatEncoding::kV31;
  if (tokenizer.find(kUser)) return ChatEncoding::kV3;
  throw Error(ErrorCode::kUnsupported, "has no chat template and no token <｜User｜>", folder,
              "is it a base model? name an encoding with --chat-template, or use generate");
}

}  // namespace fathom::tokenizer
