// Patterns of one character class, as DeepSeek-LLM, -Coder and -V2 use them, matched in linear time.

#include <algorithm>
#include <optional>
#include <utility>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unicode_class.h"

namespace fathom::tokenizer {
namespace {

// A set of characters: general categories and ranges, perhaps negated.
class CharSet {
 public:
  void add_class(uint8_t kinds) { kinds_ |= kinds; }
  void add_range(int32_t low, int32_t high) { ranges_.emplace_back(low, high); }
  void negate() { is_negated_ = true; }

  // Settles the first plane; called once after the last addition.
  void finish() {
    std::sort(ranges_.begin(), ranges_.end());
    table_.resize(kClassTableSize);
    for (int32_t c = 0; c < kClassTableSize; ++c) table_[static_cast<size_t>(c)] = find(c);
  }

  bool contains(int32_t c) const { return c < kClassTableSize ? table_[static_cast<size_t>(c)] : find(c); }

 private:
  bool find(int32_t c) const {
    bool is_in = (char_class(c) & kinds_) != 0;
    for (size_t i = 0; !is_in && i < ranges_.size() && ranges_[i].first <= c; ++i) is_in = c <= ranges_[i].second;
    return is_in != is_negated_;
  }

  uint8_t kinds_ = 0;
  bool is_negated_ = false;
  std::vector<std::pair<int32_t, int32_t>> ranges_;
  std::vector<bool> table_;
};

struct Pattern {
  CharSet set;
  bool may_lead_space = false;  // \s? in front
  size_t max_count = 1;
  bool is_at_end = false;  // $ behind
};

// Reads the small language above; any other character makes the pattern "not simple".
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Pattern> parse() {
    Pattern out;
    if (text_.substr(at_, 3) == "\\s?") {
      out.may_lead_space = true;
      at_ += 3;
    }
    if (!parse_set(out.set) || !parse_count(out.max_count)) return std::nullopt;
    if (text_.substr(at_) == "$" && out.max_count == SIZE_MAX && !out.may_lead_space) {
      out.is_at_end = true;
      ++at_;
    }
    if (at_ != text_.size()) return std::nullopt;
    out.set.finish();
    return out;
  }

 private:
  int32_t next() {
    const CodePoint c = decode_utf8(text_, at_);
    at_ += static_cast<size_t>(c.length);
    return c.value;
  }

  // \p{X} or \s behind a backslash; 0 when it is neither.
  uint8_t parse_class() {
    static const std::pair<std::string_view, CharClass> kNames[] = {{"s", kSpace},          {"p{L}", kLetter},
                                                                    {"p{M}", kMark},        {"p{N}", kNumber},
                                                                    {"p{P}", kPunctuation}, {"p{S}", kSymbol}};
    for (const auto& [name, kind] : kNames) {
      if (text_.substr(at_, name.size()) != name) continue;
      at_ += name.size();
      return kind;
    }
    return 0;
  }

  // One character of a bracket; escapes of punctuation stand for themselves. -1: not simple.
  int32_t parse_char() {
    if (at_ >= text_.size()) return -1;
    const int32_t c = next();
    if (c != '\\') return c == '[' || c == ']' || c == '&' ? -1 : c;
    if (at_ >= text_.size()) return -1;
    const int32_t escaped = next();
    if (escaped == 'r') return '\r';
    if (escaped == 'n') return '\n';
    if (escaped == 't') return '\t';
    const bool is_letter = (escaped >= 'a' && escaped <= 'z') || (escaped >= 'A' && escaped <= 'Z');
    const bool is_digit = escaped >= '0' && escaped <= '9';
    return is_letter || is_digit ? -1 : escaped;
  }

  bool parse_bracket(CharSet& set) {
    if (at_ < text_.size() && text_[at_] == '^') {
      set.negate();
      ++at_;
    }
    bool is_empty = true;
    while (at_ < text_.size() && text_[at_] != ']') {
      is_empty = false;
      if (text_[at_] == '\\') {
        ++at_;
        if (const uint8_t kind = parse_class(); kind != 0) {
          set.add_class(kind);
          continue;
        }
        --at_;
      }
      const int32_t low = parse_char();
      if (low < 0) return false;
      int32_t high = low;
      if (text_.substr(at_, 1) == "-" && text_.substr(at_ + 1, 1) != "]") {
        ++at_;
        high = parse_char();
      }
      if (high < low) return false;
      set.add_range(low, high);
    }
    if (is_empty || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  bool parse_set(CharSet& set) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c == '[') return parse_bracket(set);
    const uint8_t kind = c == '\\' ? parse_class() : uint8_t{0};
    set.add_class(kind);
    return kind != 0;
  }

  // Nothing, + or {1,N}.
  bool parse_count(size_t& max_count) {
    if (text_.substr(at_, 1) == "+") {
      max_count = SIZE_MAX;
      ++at_;
      return true;
    }
    if (text_.substr(at_, 3) != "{1,") return true;
    at_ += 3;
    if (at_ + 1 >= text_.size() || text_[at_] < '1' || text_[at_] > '9' || text_[at_ + 1] != '}') return false;
    max_count = static_cast<size_t>(text_[at_] - '0');
    at_ += 2;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

class SimpleStage : public PreTokenizer {
 public:
  explicit SimpleStage(Pattern pattern) : pattern_(std::move(pattern)) {}

  void split(std::string_view text, std::vector<size_t>& ends) const override {
    size_t gap = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = match(text, at);
      if (end == at || (pattern_.is_at_end && end < text.size())) {
        // A run that does not reach the end has no suffix that does.
        at = end == at ? at + static_cast<size_t>(decode_utf8(text, at).length) : end;
        continue;
      }
      if (gap < at) ends.push_back(at);
      ends.push_back(end);
      at = gap = end;
    }
    if (gap < text.size()) ends.push_back(text.size());
  }

 private:
  size_t match(std::string_view text, size_t at) const {
    if (pattern_.may_lead_space) {
      const CodePoint c = decode_utf8(text, at);
      if ((char_class(c.value) & kSpace) != 0) {
        const size_t from = at + static_cast<size_t>(c.length);
        const size_t end = skip(text, from);
        if (end > from) return end;
      }
    }
    return skip(text, at);
  }

  size_t skip(std::string_view text, size_t at) const {
    for (size_t count = 0; count < pattern_.max_count && at < text.size(); ++count) {
      const CodePoint c = decode_utf8(text, at);
      if (!pattern_.set.contains(c.value)) break;
      at += static_cast<size_t>(c.length);
    }
    return at;
  }

  Pattern pattern_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_simple_stage(const SplitStage& stage) {
  if (stage.behavior != SplitBehavior::kIsolated || !is_valid_utf8(stage.pattern)) return nullptr;
  std::optional<Pattern> pattern = Parser(stage.pattern).parse();
  if (!pattern) return nullptr;
  return std::make_unique<SimpleStage>(std::move(*pattern));
}

}  // namespace fathom::tokenizer
