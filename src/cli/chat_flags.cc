#include "cli/chat_flags.h"

namespace fathom::cli {

void ChatFlags::add_template_to(CLI::App& command) {
  command
      .add_option("--chat-template", chat_template,
                  "v2, v2.5, v3, v3-corrected, r1, r1-think, r1-0528, v3.1, v3.2-exp or v3.2; without it the "
                  "checkpoint's files tell")
      ->type_name("NAME");
}

void ChatFlags::add_to(CLI::App& command) {
  add_template_to(command);
  command.add_flag("--thinking", is_thinking, "ask for reasoning, where the encoding has a choice");
}

tokenizer::ChatEncoding ChatFlags::encoding_for(const std::string& folder,
                                                const tokenizer::Tokenizer& tokenizer) const {
  return chat_template.empty() ? tokenizer::recognise_chat_encoding(folder, tokenizer)
                               : tokenizer::chat_encoding_from_name(chat_template);
}

}  // namespace fathom::cli
