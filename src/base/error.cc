#include "base/error.h"

namespace fathom {
namespace {

// Names from files may hold line breaks and terminal codes; an error is one line and leaves the terminal alone.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Error::Error(ErrorCode code, std::string what, std::string where, std::string hint)
    : code_(code), what_(std::move(what)), where_(std::move(where)), hint_(std::move(hint)) {
  text_ = where_.empty() ? what_ : where_ + ": " + what_;
  if (!hint_.empty()) text_ += " (" + hint_ + ")";
  text_ = printable(text_);
}

Error Error::within(std::string_view context) const {
  std::string where = where_.empty() ? std::string(context) : fmt::format("{}: {}", context, where_);
  return Error(code_, what_, std::move(where), hint_);
}

}  // namespace fathom
