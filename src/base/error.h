#pragma once
// The one exception of the project. It is thrown where outside data or the system fails and caught at the edges: a
// subcommand, a request, an engine step. A broken invariant of our own is not an Error; see check.h.

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace fathom {

enum class ErrorCode {
  kInvalidArgument,  // the caller's words are off: a flag, a request field, a prompt
  kInvalidData,      // a file or message does not hold what its format promises
  kNotFound,         // a file, tensor or model that was named is not there
  kUnsupported,      // well-formed, but outside of what Fathom implements
  kIo,               // the system refused: permission, full disk, short read
  kResource,         // memory, threads or descriptors ran out
};

// A message that a user can act on: what is wrong, where, and the remedy when there is one.
class Error : public std::exception {
 public:
  // `what`: the thing, what was found, what was expected. `where`: file, tensor or field; may be empty. `hint`: remedy.
  Error(ErrorCode code, std::string what, std::string where = {}, std::string hint = {});

  ErrorCode code() const { return code_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }

  // "where: what (hint)", on one line: control characters are shown as \x0a.
  const char* what() const noexcept override { return text_.c_str(); }

  // The same error seen from one floor up: "context: where".
  Error within(std::string_view context) const;

 private:
  ErrorCode code_;
  std::string what_;
  std::string where_;
  std::string hint_;
  std::string text_;
};

// Throws an Error whose text is formatted: fail(ErrorCode::kIo, path, "cannot open: {}", reason).
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, std::string where, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...), std::move(where));
}

}  // namespace fathom
