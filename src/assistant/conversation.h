#pragma once
// What was said, and how it goes on: a person says something, the model replies, calls of tools are run and their
// results read, until a reply has no more calls. Who writes the replies and who shows them stand outside.

#include <functional>
#include <string>
#include <vector>

#include "assistant/reply_reader.h"
#include "assistant/tool_box.h"
#include "base/json.h"
#include "tokenizer/chat.h"

namespace fathom::assistant {

// Writes replies.
class Replier {
 public:
  virtual ~Replier() = default;

  // Gives the reply to `prompt` piece by piece, until its end or until `on_piece` returns false: text in plain
  // segments, the controls of calls in control segments. Returns false when it was interrupted. Throws Error.
  virtual bool reply(const std::vector<tokenizer::Segment>& prompt,
                     const std::function<bool(const tokenizer::Segment&)>& on_piece) = 0;
};

// Hears what happens while an answer is made.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_text(const ReplyParts& parts) = 0;
  virtual void on_call(const tokenizer::ToolCall& call, const std::string& result) = 0;
  // Something for the person to know, in one line.
  virtual void on_notice(const std::string& text) = 0;
};

class Conversation {
 public:
  // Replies with calls that one answer may hold.
  static constexpr int kMostRounds = 4;

  // Without tools, calls are text. `tools` must outlive the conversation. Throws Error(kUnsupported) for tools in an
  // encoding whose calls are not read.
  Conversation(tokenizer::ChatEncoding encoding, const ToolBox& tools, bool thinking);

  // Begins anew with this system text.
  void reset(const std::string& system);
  const std::string& system() const { return system_; }

  // Says `text` and has it answered. When that fails the conversation is as it was before, and the Error goes on.
  void say(const std::string& text, Replier& replier, Watcher& watcher);
  // Forgets up to the last thing that was said, and returns it. Throws Error(kInvalidArgument) when there is none.
  std::string take_back();

  // How the next answer begins.
  void set_prefix(const std::string& prefix) { prefix_ = prefix; }
  void set_thinking(bool is_on) { options_.thinking = is_on; }
  void set_tools_on(bool is_on);
  bool are_tools_on() const { return !options_.tools.empty(); }

  const std::vector<tokenizer::Message>& messages() const { return messages_; }
  // What the model reads next.
  std::vector<tokenizer::Segment> prompt() const;

  // Messages as the API writes them, calls and results included, and back. `load` throws Error naming what is wrong.
  json::Value saved() const;
  void load(const json::Reader& json);

 private:
  struct Reply {
    ReplyParts parts;
    std::vector<tokenizer::ToolCall> calls;
    bool is_interrupted = false;
  };

  tokenizer::Message& add(const std::string& role, const std::string& content);
  Reply next_reply(Replier& replier, Watcher& watcher);
  void answer(Replier& replier, Watcher& watcher);
  void run_calls(const std::vector<tokenizer::ToolCall>& calls, Watcher& watcher);

  tokenizer::ChatEncoding encoding_;
  const ToolBox& tools_;
  tokenizer::ChatOptions options_;
  std::vector<tokenizer::Message> messages_;
  std::string system_;
  std::string prefix_;
};

}  // namespace fathom::assistant
