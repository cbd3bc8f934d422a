#include "grammar/pattern_scanner.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace fathom::grammar {

PatternScanner::PatternScanner(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {
  if (!tokenizer::is_valid_utf8(text)) fathom::fail(ErrorCode::kInvalidArgument, name_, "the text is not UTF-8");
}

bool PatternScanner::accept(std::string_view text) {
  if (text_.substr(std::min(at_, text_.size()), text.size()) != text) return false;
  at_ += text.size();
  return true;
}

uint32_t PatternScanner::next() {
  if (at_end()) fail("it ends too early");
  const tokenizer::CodePoint c = tokenizer::decode_utf8(text_, at_);
  at_ += static_cast<size_t>(c.length);
  return static_cast<uint32_t>(c.value);
}

uint32_t PatternScanner::hex(size_t digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = peek();
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_upper = c >= 'A' && c <= 'F';
    if (!is_digit && !is_upper && !(c >= 'a' && c <= 'f')) fail(fmt::format("expected {} hexadecimal digits", digits));
    value = value * 16 + static_cast<uint32_t>(is_digit ? c - '0' : (is_upper ? c - 'A' : c - 'a') + 10);
    skip();
  }
  return value;
}

uint32_t PatternScanner::number() {
  constexpr uint32_t kMax = 1'000'000;  // far past what an automaton has states for
  uint32_t value = 0;
  if (peek() < '0' || peek() > '9') fail("expected a number");
  for (; peek() >= '0' && peek() <= '9'; skip()) {
    value = value * 10 + static_cast<uint32_t>(peek() - '0');
    if (value > kMax) fail(fmt::format("a count is larger than {}", kMax), ErrorCode::kUnsupported);
  }
  return value;
}

std::optional<RepeatCount> PatternScanner::repeat_count() {
  if (accept("*")) return RepeatCount{0, kUnbounded};
  if (accept("+")) return RepeatCount{1, kUnbounded};
  if (accept("?")) return RepeatCount{0, 1};
  if (!accept("{")) return std::nullopt;
  RepeatCount out{0, 0};
  if (peek() != ',') out.min = number();
  out.max = out.min;
  if (accept(",")) out.max = peek() == '}' ? kUnbounded : number();
  if (!accept("}")) fail("expected '}'");
  if (out.min > out.max) fail("a count has its limits in the wrong order");
  return out;
}

CodePointSet PatternScanner::bracket(const Escape& escape) {
  CodePointSet set;
  const bool is_negated = accept("^");
  bool is_empty = true;
  while (!accept("]")) {
    is_empty = false;
    const std::optional<uint32_t> low = accept("\\") ? escape(set) : next();
    const bool is_range = peek() == '-' && peek(1) != ']' && peek(1) != '\0';
    if (!is_range) {
      if (low) set.add(*low, *low);
      continue;
    }
    skip();
    const std::optional<uint32_t> high = accept("\\") ? escape(set) : next();
    if (!low || !high) fail("a class cannot be the end of a range");
    if (*high < *low) fail("a range has its ends in the wrong order");
    set.add(*low, *high);
  }
  if (is_empty) fail("a class of characters is empty");
  return is_negated ? set.complement() : set;
}

void PatternScanner::fail(std::string_view problem, ErrorCode code) const {
  const std::string_view before = text_.substr(0, std::min(at_, text_.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  fathom::fail(code, name_, "{} at line {}, byte {}", problem, line, before.size() - line_start);
}

}  // namespace fathom::grammar
