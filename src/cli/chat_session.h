#pragma once
// A chat with a person, or with a pipe: what is typed is said, or is a command.

#include <optional>
#include <string>

#include "assistant/conversation.h"
#include "cli/chat_display.h"
#include "cli/chat_model.h"
#include "cli/line_editor.h"

namespace fathom::cli {

struct ChatCommandFlags {
  ModelFlags model;
  SamplingFlags sampling;
  ChatFlags chat;
  std::string tools = "auto";
  std::string system;
  std::optional<std::string> history;
  bool hides_reasoning = false;
};

class ChatSession {
 public:
  explicit ChatSession(ChatCommandFlags& flags);

  // Until the end of the input or /quit. Errors end it only where no person can go on.
  void run();

 private:
  std::optional<std::string> read_line();
  void say(const std::string& text);
  void edit(const std::string& text);
  void save(const std::string& path) const;
  void load(const std::string& path);
  void tools(const std::string& word);
  // A line that begins with "/".
  void command(const std::string& line);
  // The commands that take an argument, or none; false when `name` is none of them.
  bool talk_command(const std::string& name, const std::string& rest);
  bool setting_command(const std::string& name, const std::string& rest);

  ChatCommandFlags& flags_;
  assistant::ToolBox tools_;
  ChatModel model_;
  assistant::Conversation conversation_;
  LineEditor editor_;
  bool is_done_ = false;
};

}  // namespace fathom::cli
