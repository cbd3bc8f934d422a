#include "base/error.h"

namespace fathom {

Error::Error(ErrorCode code, std::string what, std::string where, std::string hint)
    : code_(code), what_(std::move(what)), where_(std::move(where)), hint_(std::move(hint)) {
  text_ = where_.empty() ? what_ : where_ + ": " + what_;
  if (!hint_.empty()) text_ += " (" + hint_ + ")";
}

Error Error::within(std::string_view context) const {
  std::string where = where_.empty() ? std::string(context) : fmt::format("{}: {}", context, where_);
  return Error(code_, what_, std::move(where), hint_);
}

}  // namespace fathom
