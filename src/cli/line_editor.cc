#include "cli/line_editor.h"

#include <editline/readline.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace fathom::cli {
namespace {

constexpr int kKeptLines = 1000;

// The library calls back without an argument.
std::string g_initial;

int insert_initial() {
  if (!g_initial.empty()) rl_insert_text(g_initial.c_str());
  return 0;
}

}  // namespace

LineEditor::LineEditor(const std::string& history_file)
    : is_terminal_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0), history_file_(history_file) {
  if (!is_terminal_) return;
  using_history();
  stifle_history(kKeptLines);
  if (!history_file_.empty()) read_history(history_file_.c_str());  // a first run has none
}

LineEditor::~LineEditor() {
  if (is_terminal_ && !history_file_.empty()) write_history(history_file_.c_str());
}

std::optional<std::string> LineEditor::read(const std::string& prompt, const std::string& initial) {
  if (!is_terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  g_initial = initial;
  rl_startup_hook = insert_initial;
  const std::unique_ptr<char, decltype(&std::free)> line(readline(prompt.c_str()), &std::free);
  if (!line) return std::nullopt;
  if (*line != '\0') add_history(line.get());
  return std::string(line.get());
}

}  // namespace fathom::cli
