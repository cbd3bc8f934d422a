#include "tokenizer/reasoning_splitter.h"

#include <algorithm>

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kBlank = " \t\r\n";

// The length of the longest end of `text` that begins `tag`.
size_t beginning_at_end(std::string_view text, std::string_view tag) {
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == tag.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

ReasoningSplitter::Parts ReasoningSplitter::push(std::string_view piece) {
  held_ += piece;
  Parts out;
  while (step(out, false)) {
  }
  return out;
}

ReasoningSplitter::Parts ReasoningSplitter::finish() {
  Parts out;
  while (step(out, true)) {
  }
  return out;
}

bool ReasoningSplitter::step(Parts& out, bool is_last) {
  switch (state_) {
    case State::kStart: {
      const size_t begin = std::min(held_.find_first_not_of(kBlank), held_.size());
      const std::string_view text = std::string_view(held_).substr(begin);
      const bool is_open = text.starts_with(kOpen);
      if (!is_open && !is_last && text.size() < kOpen.size() && kOpen.starts_with(text)) return false;
      if (is_open) held_.erase(0, begin + kOpen.size());
      state_ = is_open ? State::kReasoning : State::kContent;
      return true;
    }
    case State::kReasoning: {
      const size_t close = held_.find(kClose);
      const size_t certain =
          close != std::string::npos ? close : held_.size() - (is_last ? 0 : beginning_at_end(held_, kClose));
      out.reasoning += held_.substr(0, certain);
      held_.erase(0, close != std::string::npos ? close + kClose.size() : certain);
      if (close != std::string::npos) state_ = State::kAfter;
      return close != std::string::npos;
    }
    case State::kAfter: {
      const size_t begin = held_.find_first_not_of('\n');
      held_.erase(0, std::min(begin, held_.size()));
      if (held_.empty()) return false;
      state_ = State::kContent;
      return true;
    }
    case State::kContent:
      out.content += held_;
      held_.clear();
      return false;
  }
  return false;
}

}  // namespace fathom::tokenizer
