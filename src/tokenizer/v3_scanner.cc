// The three patterns of DeepSeek-V3 in one pass over the code points, without a regex engine: linear in the text
// whatever it holds.

#include <utf8proc.h>

#include <array>
#include <cstdint>
#include <vector>

#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// What the patterns ask of a character.
enum Class : uint8_t {
  kLetter = 1,       // \p{L}
  kMark = 2,         // \p{M}
  kNumber = 4,       // \p{N}
  kPunctuation = 8,  // \p{P} or \p{S}
  kSpace = 16,       // \s: Unicode White_Space
  kNewline = 32,     // CR, LF
  kCjk = 64,         // second stage: U+4E00..9FA5, U+3040..30FF
};

bool is_white_space(int32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

uint8_t classify(int32_t c) {
  uint8_t out = 0;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      out = kLetter;
      break;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      out = kMark;
      break;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      out = kNumber;
      break;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      out = kPunctuation;
      break;
    default:
      break;
  }
  if (is_white_space(c)) out |= kSpace;
  if (c == '\r' || c == '\n') out |= kNewline;
  if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) out |= kCjk;
  return out;
}

// Classes of the first two planes' worth that text is made of; the rest is asked of the library.
constexpr int32_t kTableSize = 0x10000;

const std::vector<uint8_t>& class_table() {
  static const std::vector<uint8_t> table = [] {
    std::vector<uint8_t> made(kTableSize);
    for (int32_t c = 0; c < kTableSize; ++c) made[static_cast<size_t>(c)] = classify(c);
    return made;
  }();
  return table;
}

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

class Scanner : public PreTokenizer {
 public:
  void split(std::string_view text, std::vector<size_t>& ends) const override {
    // Stages one and two cut runs apart: up to three numbers; CJK; all between.
    for (size_t at = 0; at < text.size();) {
      const Char first = read(text, at);
      if ((first.kind & kNumber) != 0) {
        for (int count = 0; count < 3 && at < text.size(); ++count) {
          const Char c = read(text, at);
          if ((c.kind & kNumber) == 0) break;
          at += c.length;
        }
        ends.push_back(at);
        continue;
      }
      size_t end = at;
      while (end < text.size()) {
        const Char c = read(text, end);
        if ((c.kind & kNumber) != 0 || (c.kind & kCjk) != (first.kind & kCjk)) break;
        end += c.length;
      }
      split_run(text, at, end, ends);
      at = end;
    }
  }

 private:
  struct Char {
    uint8_t kind;
    size_t length;
  };

  Char read(std::string_view text, size_t at) const {
    const CodePoint c = decode_utf8(text, at);
    const uint8_t kind = c.value < 0            ? 0
                         : c.value < kTableSize ? table_[static_cast<size_t>(c.value)]
                                                : classify(c.value);
    return {kind, static_cast<size_t>(c.length)};
  }

  // First position from `at` on whose class is not among `kinds`.
  size_t skip(std::string_view text, size_t at, size_t end, uint8_t kinds) const {
    while (at < end) {
      const Char c = read(text, at);
      if ((c.kind & kinds) == 0) break;
      at += c.length;
    }
    return at;
  }

  // Stage three over text[at, end): the alternatives in their order at each position; what none takes is a gap, and a
  // run of gaps is one piece.
  void split_run(std::string_view text, size_t at, size_t end, std::vector<size_t>& ends) const {
    size_t gap = at;
    while (at < end) {
      const size_t next = match(text, at, end);
      if (next == at) {
        at += read(text, at).length;
        continue;
      }
      if (gap < at) ends.push_back(at);
      ends.push_back(next);
      at = gap = next;
    }
    if (gap < end) ends.push_back(end);
  }

  // End of the match at `at`, or `at` when no alternative takes it.
  size_t match(std::string_view text, size_t at, size_t end) const {
    // [!-/:-@[-`{-~][A-Za-z]+
    if (is_ascii_punctuation(text[at]) && at + 1 < end && is_ascii_letter(text[at + 1])) {
      size_t to = at + 2;
      while (to < end && is_ascii_letter(text[to])) ++to;
      return to;
    }
    const Char first = read(text, at);
    const size_t second = at + first.length;
    // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
    const bool may_lead = (first.kind & (kNewline | kLetter | kPunctuation)) == 0;
    if (may_lead && second < end && (read(text, second).kind & (kLetter | kMark)) != 0) {
      return skip(text, second, end, kLetter | kMark);
    }
    if ((first.kind & (kLetter | kMark)) != 0) return skip(text, at, end, kLetter | kMark);
    // ` ?[\p{P}\p{S}]+[\r\n]*`
    const size_t marks = text[at] == ' ' ? second : at;
    if (marks < end && (read(text, marks).kind & kPunctuation) != 0) {
      return skip(text, skip(text, marks, end, kPunctuation), end, kNewline);
    }
    if ((first.kind & kSpace) == 0) return at;
    return match_space(text, at, end);
  }

  // \s*[\r\n]+ | \s+(?!\S) | \s+ over the run of spaces at `at`.
  size_t match_space(std::string_view text, size_t at, size_t end) const {
    size_t run = at;       // end of the run
    size_t last = at;      // where its last character begins
    size_t newlines = at;  // end of its last CR or LF
    while (run < end) {
      const Char c = read(text, run);
      if ((c.kind & kSpace) == 0) break;
      last = run;
      run += c.length;
      if ((c.kind & kNewline) != 0) newlines = run;
    }
    if (newlines > at) return newlines;
    // Before a character that is no space the last space stays behind, if another is left.
    return run == end || last == at ? run : last;
  }

  const std::vector<uint8_t>& table_ = class_table();
};

}  // namespace

std::unique_ptr<PreTokenizer> make_v3_scanner() { return std::make_unique<Scanner>(); }

}  // namespace fathom::tokenizer
