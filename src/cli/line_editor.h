#pragma once
// Lines from a person: edited, with a history, on a terminal; plain from a pipe.

#include <optional>
#include <string>

namespace fathom::cli {

class LineEditor {
 public:
  // Reads and keeps the history of a terminal in `history_file`; empty: for this run alone.
  explicit LineEditor(const std::string& history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The next line without its end; nothing at the end of the input. On a terminal `prompt` stands in front and
  // `initial` is there to be edited.
  std::optional<std::string> read(const std::string& prompt, const std::string& initial = "");

  bool is_terminal() const { return is_terminal_; }

 private:
  bool is_terminal_;
  std::string history_file_;
};

}  // namespace fathom::cli
