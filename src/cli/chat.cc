// fathom chat: a conversation with a model on the terminal, or one turn a line from a pipe.

#include <memory>

#include "cli/chat_session.h"
#include "cli/command.h"

namespace fathom::cli {

void add_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatCommandFlags>();
  CLI::App* command = app.add_subcommand("chat", "talk with a model; from a pipe, a turn a line");
  flags->model.add_to(*command);
  flags->chat.add_to(*command);
  flags->sampling.add_to(*command);
  command
      ->add_option("--tools", flags->tools,
                   "what the model may call: a folder with tools.json, auto (the model's folder, where it has one), or "
                   "none")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_option("--system", flags->system, "what the model is told before all else");
  command->add_flag("--hide-reasoning", flags->hides_reasoning, "show answers alone");
  command->add_option("--history", flags->history, "where lines are kept for the next time; \"\": nowhere")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  fathom chat --model DIR --temperature 0.6 --system \"Answer in one sentence.\"\n"
      "  echo \"What is 2 + 2?\" | fathom chat --model DIR --temperature 0");
  command->callback([flags] { ChatSession(*flags).run(); });
}

}  // namespace fathom::cli
