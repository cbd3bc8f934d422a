// The three patterns of DeepSeek-V3 in one pass over the code points, without a regex engine: linear in the text
// whatever it holds. A character is classified at most three times.

#include <cstdint>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unicode_class.h"

namespace fathom::tokenizer {
namespace {

constexpr uint8_t kWord = kLetter | kMark;
constexpr uint8_t kSign = kPunctuation | kSymbol;

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

struct Char {
  uint8_t kind;
  size_t length;
};

// Text between two cuts of stages one and two: it begins at `at` with class `first` and ends before the next number or
// the next change of CJK.
class Run {
 public:
  Run(std::string_view text, uint8_t first) : text_(text), cjk_(first & kCjk) {}

  // The character at `at`; kind kNumber at the end of the run, so that no loop below walks over it.
  Char read(size_t at) const {
    if (at >= text_.size()) return {kNumber, 0};
    const CodePoint c = decode_utf8(text_, at);
    const uint8_t kind = char_class(c.value);
    if ((kind & kNumber) != 0 || (kind & kCjk) != cjk_) return {kNumber, 0};
    return {kind, static_cast<size_t>(c.length)};
  }

  // First position from `at` on whose class is not among `kinds`.
  size_t skip(size_t at, uint8_t kinds) const {
    for (Char c = read(at); (c.kind & kinds) != 0; c = read(at)) at += c.length;
    return at;
  }

  // End of the third stage's match at `at`, whose character is `first`; `at` when no alternative takes it.
  size_t match(size_t at, Char first) const {
    // [!-/:-@[-`{-~][A-Za-z]+; neither end of the run nor CJK can be an ASCII letter
    if (is_ascii_punctuation(text_[at]) && at + 1 < text_.size() && is_ascii_letter(text_[at + 1])) {
      size_t to = at + 2;
      while (to < text_.size() && is_ascii_letter(text_[to])) ++to;
      return to;
    }
    // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+; a mark may lead, or be the word when none follows
    const size_t next = at + first.length;
    if ((first.kind & kWord) != 0) return skip(next, kWord);
    const Char second = read(next);
    if ((first.kind & (kNewline | kSign)) == 0 && (second.kind & kWord) != 0) return skip(next + second.length, kWord);
    // ` ?[\p{P}\p{S}]+[\r\n]*`
    if ((first.kind & kSign) != 0 || (text_[at] == ' ' && (second.kind & kSign) != 0)) {
      return skip(skip(next, kSign), kNewline);
    }
    return (first.kind & kSpace) != 0 ? match_space(at) : at;
  }

 private:
  // \s*[\r\n]+ | \s+(?!\S) | \s+ over the spaces at `at`.
  size_t match_space(size_t at) const {
    size_t end = at;       // of the spaces
    size_t last = at;      // where the last of them begins
    size_t newlines = at;  // end of the last CR or LF
    for (Char c = read(at); (c.kind & kSpace) != 0; c = read(end)) {
      last = end;
      end += c.length;
      if ((c.kind & kNewline) != 0) newlines = end;
    }
    if (newlines > at) return newlines;
    // Before a character that is no space the last space stays behind, if another is left.
    const bool is_run_end = read(end).length == 0;
    return is_run_end || last == at ? end : last;
  }

  std::string_view text_;
  uint8_t cjk_;
};

class V3Scanner : public PreTokenizer {
 public:
  void split(std::string_view text, std::vector<size_t>& ends) const override {
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = decode_utf8(text, at);
      const uint8_t kind = char_class(c.value);
      at = (kind & kNumber) != 0 ? split_number(text, at, ends) : split_run(text, at, kind, ends);
    }
  }

 private:
  static size_t split_number(std::string_view text, size_t at, std::vector<size_t>& ends) {
    for (int count = 0; count < 3 && at < text.size(); ++count) {
      const CodePoint c = decode_utf8(text, at);
      if ((char_class(c.value) & kNumber) == 0) break;
      at += static_cast<size_t>(c.length);
    }
    ends.push_back(at);
    return at;
  }

  // The third stage's alternatives in their order at each position; what none takes is a gap, and neighbouring gaps are
  // one piece.
  static size_t split_run(std::string_view text, size_t at, uint8_t first, std::vector<size_t>& ends) {
    const Run run(text, first);
    size_t gap = at;
    for (Char c = run.read(at); c.length > 0; c = run.read(at)) {
      const size_t next = run.match(at, c);
      if (next == at) {
        at += c.length;
        continue;
      }
      if (gap < at) ends.push_back(at);
      ends.push_back(next);
      at = gap = next;
    }
    if (gap < at) ends.push_back(at);
    return at;
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_v3_scanner() { return std::make_unique<V3Scanner>(); }

const std::vector<std::string>& v3_patterns() {
  // The third one holds CR and LF themselves, not their escapes.
  static const std::vector<std::string> patterns = {
      "\\p{N}{1,3}",
      "[一-龥\u3040-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
      "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
  };
  return patterns;
}

}  // namespace fathom::tokenizer
