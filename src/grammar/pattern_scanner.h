#pragma once
// Reading patterns of characters: what regular expressions and EBNF have in common.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "grammar/code_points.h"

namespace fathom::grammar {

struct RepeatCount {
  uint32_t min;
  uint32_t max;
};

class PatternScanner {
 public:
  // `name` is for errors. Throws Error(kInvalidArgument) for text that is no UTF-8.
  PatternScanner(std::string_view text, std::string name);

  bool at_end() const { return at_ >= text_.size(); }
  size_t offset() const { return at_; }
  // The byte `ahead` of the next one; 0 behind the end.
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void skip(size_t bytes = 1) { at_ += bytes; }
  bool accept(std::string_view text);
  // The next character; fails at the end.
  uint32_t next();
  // A number of so many hexadecimal digits.
  uint32_t hex(size_t digits);
  // * + ? {m} {m,} {m,n} {,n}; nothing when none of them is next.
  std::optional<RepeatCount> repeat_count();

  // What stands behind a backslash: adds a class to the set, or is one character.
  using Escape = std::function<std::optional<uint32_t>(CodePointSet&)>;
  // The rest of [...] behind the opening bracket.
  CodePointSet bracket(const Escape& escape);

  // "NAME: PROBLEM at line L, byte B".
  [[noreturn]] void fail(std::string_view problem, ErrorCode code = ErrorCode::kInvalidArgument) const;

 private:
  uint32_t number();

  std::string_view text_;
  std::string name_;
  size_t at_ = 0;
};

}  // namespace fathom::grammar
