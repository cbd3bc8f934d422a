#include "cli/chat_session.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/interrupt.h"

namespace fathom::cli {
namespace {

constexpr const char* kHelp =
    "Write, and the model answers; a line that ends in \\ goes on in the next. Control-C ends an answer, Control-D the "
    "chat.\n"
    "  /edit [TEXT]       say the last thing differently\n"
    "  /retry             another answer to the last thing said\n"
    "  /undo              forget the last thing said and its answer\n"
    "  /reset             begin anew, with the same system text\n"
    "  /system [TEXT]     set the system text and begin anew\n"
    "  /prefix TEXT       how the next answer begins\n"
    "  /thinking on|off   ask for reasoning, where the model has a choice\n"
    "  /tools [on|off]    list the tools that the model may call, or say whether it may\n"
    "  /save FILE         write the conversation as JSON; /load FILE reads one\n"
    "  /stats             speed of the last answer\n"
    "  /help, /quit\n";

std::string default_history() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state == nullptr && home == nullptr) return {};
  const std::string folder =
      state != nullptr ? std::string(state) + "/fathom" : std::string(home) + "/.local/state/fathom";
  std::error_code ignored;  // without a folder the history is of this run alone
  std::filesystem::create_directories(folder, ignored);
  return folder + "/chat_history";
}

// The tools that --tools names: those of a folder, of the model's folder where it lists some, or none.
assistant::ToolBox chosen_tools(const std::string& choice, const std::string& model) {
  if (choice == "none") return {};
  if (choice != "auto") return assistant::load_tools(choice);
  std::error_code ignored;  // what cannot be seen is not there
  const bool has_some = std::filesystem::exists(std::filesystem::path(model) / assistant::kToolsFile, ignored);
  return has_some ? assistant::load_tools(model) : assistant::ToolBox();
}

}  // namespace

ChatSession::ChatSession(ChatCommandFlags& flags)
    : flags_(flags),
      tools_(chosen_tools(flags.tools, flags.model.model)),
      model_(flags.model, flags.sampling, flags.chat),
      conversation_(model_.encoding(), tools_, flags.chat.is_thinking),
      editor_(flags.history ? *flags.history : default_history()) {
  conversation_.reset(flags.system);
}

void ChatSession::run() {
  if (editor_.is_terminal()) fmt::print("{}\n/help shows what else there is.\n\n", flags_.model.model);
  while (!is_done_) {
    std::optional<std::string> line = read_line();
    if (!line) break;
    if (line->empty()) continue;
    try {
      line->starts_with('/') ? command(*line) : say(*line);
    } catch (const Error& error) {
      // A person goes on; a pipe would not notice.
      if (!editor_.is_terminal()) throw;
      fmt::print(stderr, "error: {}\n", error.what());
    }
  }
  if (editor_.is_terminal()) print_now("\n");
}

std::optional<std::string> ChatSession::read_line() {
  std::optional<std::string> line = editor_.read("> ");
  while (line && line->ends_with('\\')) {
    line->back() = '\n';
    const auto more = editor_.read(". ");
    if (!more) break;
    *line += *more;
  }
  return line;
}

void ChatSession::say(const std::string& text) {
  ChatDisplay display(editor_.is_terminal(), flags_.hides_reasoning);
  const InterruptGuard guard;
  conversation_.say(text, model_, display);
  display.finish();
  if (flags_.sampling.show_stats) fmt::print(stderr, "{}\n", model_.stats());
}

void ChatSession::command(const std::string& line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string name = line.substr(1, space - 1);
  const std::string rest = space < line.size() ? line.substr(space + 1) : std::string();
  if (talk_command(name, rest) || setting_command(name, rest)) return;
  fail(ErrorCode::kInvalidArgument, "", "'{}' is not understood; /help lists what is", line);
}

bool ChatSession::talk_command(const std::string& name, const std::string& rest) {
  if (name == "reset") {
    conversation_.reset(conversation_.system());
  } else if (name == "system") {
    conversation_.reset(rest);
  } else if (name == "undo") {
    conversation_.take_back();
  } else if (name == "retry") {
    say(conversation_.take_back());
  } else if (name == "edit") {
    edit(rest);
  } else if (name == "save" && !rest.empty()) {
    save(rest);
  } else if (name == "load" && !rest.empty()) {
    load(rest);
  } else {
    return false;
  }
  return true;
}

bool ChatSession::setting_command(const std::string& name, const std::string& rest) {
  const bool is_switch = rest == "on" || rest == "off";
  if (name == "help") {
    print_now(kHelp);
  } else if (name == "quit" || name == "exit") {
    is_done_ = true;
  } else if (name == "prefix") {
    conversation_.set_prefix(rest);
  } else if (name == "thinking" && is_switch) {
    conversation_.set_thinking(rest == "on");
  } else if (name == "tools" && (rest.empty() || is_switch)) {
    tools(rest);
  } else if (name == "stats") {
    print_now(model_.stats().empty() ? "nothing was answered yet\n" : model_.stats() + "\n");
  } else {
    return false;
  }
  return true;
}

void ChatSession::edit(const std::string& text) {
  const std::string before = conversation_.take_back();
  const auto after = text.empty() ? editor_.read("> ", before) : std::optional(text);
  if (after && !after->empty()) say(*after);
}

void ChatSession::tools(const std::string& word) {
  if (!word.empty()) return conversation_.set_tools_on(word == "on");
  if (tools_.empty()) return print_now("there are none; --tools names a folder with tools.json\n");
  for (const auto& tool : tools_.tools()) {
    print_now(fmt::format("{:<16}{}\n", tool->name(), tool->declaration().description));
  }
  if (!conversation_.are_tools_on()) print_now("The model may not call them; /tools on allows it.\n");
}

void ChatSession::save(const std::string& path) const {
  AtomicFile file(path);
  file.write(json::dump(conversation_.saved()) + "\n");
  file.commit();
}

void ChatSession::load(const std::string& path) {
  const json::Value value = json::parse_file(path);
  conversation_.load(json::Reader(value, path));
}

}  // namespace fathom::cli
