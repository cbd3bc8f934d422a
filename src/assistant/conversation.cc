#include "assistant/conversation.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace fathom::assistant {
namespace {

using tokenizer::Message;
using tokenizer::ToolCall;

json::Array saved_calls(const std::vector<ToolCall>& calls, size_t first_id) {
  json::Array out;
  for (size_t i = 0; i < calls.size(); ++i) {
    out.push_back(json::Object{{"id", fmt::format("call_{}", first_id + i)},
                               {"type", calls[i].type},
                               {"function", json::Object{{"name", calls[i].name}, {"arguments", calls[i].arguments}}}});
  }
  return out;
}

}  // namespace

Conversation::Conversation(tokenizer::ChatEncoding encoding, const ToolBox& tools, bool thinking)
    : encoding_(encoding), tools_(tools) {
  options_.thinking = thinking;
  if (!tools.empty() && encoding != tokenizer::ChatEncoding::kV31) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("calls of the encoding {} are not read", tokenizer::chat_encoding_name(encoding)),
                "--tools", "--tools none talks without them");
  }
  set_tools_on(true);
}

void Conversation::set_tools_on(bool is_on) {
  options_.tools = is_on ? tools_.declarations() : std::vector<tokenizer::Tool>();
}

void Conversation::reset(const std::string& system) {
  system_ = system;
  messages_.clear();
  if (!system.empty()) add("system", system);
}

Message& Conversation::add(const std::string& role, const std::string& content) {
  Message message;
  message.role = role;
  message.content = content;
  return messages_.emplace_back(std::move(message));
}

std::vector<tokenizer::Segment> Conversation::prompt() const {
  auto segments = tokenizer::render_chat(encoding_, messages_, options_);
  if (!prefix_.empty()) segments.push_back(tokenizer::plain(prefix_));
  return segments;
}

void Conversation::say(const std::string& text, Replier& replier, Watcher& watcher) {
  const auto before = static_cast<std::ptrdiff_t>(messages_.size());
  const std::string prefix = prefix_;
  add("user", text);
  try {
    answer(replier, watcher);
  } catch (...) {
    messages_.erase(messages_.begin() + before, messages_.end());
    prefix_ = prefix;
    throw;
  }
}

std::string Conversation::take_back() {
  for (size_t i = messages_.size(); i > 0; --i) {
    if (messages_[i - 1].role != "user") continue;
    std::string text = messages_[i - 1].content.value_or("");
    messages_.resize(i - 1);
    return text;
  }
  fail(ErrorCode::kInvalidArgument, "", "nothing was said yet");
}

Conversation::Reply Conversation::next_reply(Replier& replier, Watcher& watcher) {
  Reply out;
  // Behind the result of a tool the model goes on without a new turn.
  const bool is_reasoning = tokenizer::ends_in_reasoning(encoding_, options_) && messages_.back().role != "tool";
  ReplyReader reader(encoding_, is_reasoning, are_tools_on());
  const auto take = [&](const ReplyParts& parts) {
    watcher.on_text(parts);
    out.parts.reasoning += parts.reasoning;
    out.parts.content += parts.content;
  };
  const auto segments = prompt();
  if (!prefix_.empty()) take(reader.push(tokenizer::plain(prefix_)));
  out.is_interrupted = !replier.reply(segments, [&](const tokenizer::Segment& piece) {
    take(reader.push(piece));
    return !reader.is_complete();
  });
  take(reader.finish());
  out.calls = reader.calls();
  prefix_.clear();
  return out;
}

void Conversation::answer(Replier& replier, Watcher& watcher) {
  for (int round = 0;; ++round) {
    const Reply reply = next_reply(replier, watcher);
    Message& message = add("assistant", reply.parts.content);
    if (!reply.parts.reasoning.empty()) message.reasoning_content = reply.parts.reasoning;
    if (reply.calls.empty() || reply.is_interrupted) return;
    if (round == kMostRounds) {
      watcher.on_notice(fmt::format("no answer after {} rounds of calls", kMostRounds));
      return;
    }
    message.tool_calls = reply.calls;
    message.has_tool_calls_key = true;
    run_calls(reply.calls, watcher);
  }
}

void Conversation::run_calls(const std::vector<ToolCall>& calls, Watcher& watcher) {
  for (const ToolCall& call : calls) {
    const std::string result = tools_.run(call);
    add("tool", result);
    watcher.on_call(call, result);
  }
}

json::Value Conversation::saved() const {
  json::Array out;
  size_t calls = 0;    // so far
  size_t results = 0;  // they stand in the order of the calls
  for (const Message& message : messages_) {
    json::Object object{{"role", message.role}, {"content", message.content.value_or("")}};
    if (message.reasoning_content) object["reasoning_content"] = *message.reasoning_content;
    if (message.tool_calls) {
      object["tool_calls"] = saved_calls(*message.tool_calls, calls + 1);
      calls += message.tool_calls->size();
    }
    if (message.role == "tool") object["tool_call_id"] = fmt::format("call_{}", ++results);
    out.push_back(std::move(object));
  }
  return out;
}

void Conversation::load(const json::Reader& json) {
  auto messages = tokenizer::read_messages(json);
  for (size_t i = 0; i < messages.size(); ++i) {
    Message& message = messages[i];
    if (!message.content && !message.tool_calls) {
      fail(ErrorCode::kInvalidData, fmt::format("{}[{}]", json.location(), i), "lacks 'content'");
    }
    if (!message.content) message.content = "";
  }
  messages_ = std::move(messages);
}

}  // namespace fathom::assistant
