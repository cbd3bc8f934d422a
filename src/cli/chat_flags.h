#pragma once
// The flags of everything that renders chats.

#include <CLI/CLI.hpp>
#include <string>

#include "tokenizer/chat.h"

namespace fathom::cli {

struct ChatFlags {
  std::string chat_template;
  bool is_thinking = false;

  // Adds --chat-template alone.
  void add_template_to(CLI::App& command);
  // Adds --chat-template and --thinking.
  void add_to(CLI::App& command);
  // The encoding that --chat-template names, or the one that the checkpoint's files tell. Throws Error.
  tokenizer::ChatEncoding encoding_for(const std::string& folder, const tokenizer::Tokenizer& tokenizer) const;
};

}  // namespace fathom::cli
