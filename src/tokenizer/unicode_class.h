#pragma once
// What pre-tokenizer patterns ask of a character, by Unicode 15 (utf8proc).

#include <cstdint>
#include <string_view>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {

// Bits of char_class().
enum CharClass : uint8_t {
  kLetter = 1,       // \p{L}
  kMark = 2,         // \p{M}
  kNumber = 4,       // \p{N}
  kPunctuation = 8,  // \p{P}
  kSymbol = 16,      // \p{S}
  kSpace = 32,       // \s: Unicode White_Space
  kNewline = 64,     // CR, LF
  kCjk = 128,        // U+4E00..9FA5, U+3040..30FF: the second stage of DeepSeek-V3
};

// A table for the first plane, which nearly all text is made of; the rest is asked of the library.
inline constexpr int32_t kClassTableSize = 0x10000;
const uint8_t* class_table();
uint8_t classify(int32_t code_point);

inline uint8_t char_class(int32_t code_point) {
  static const uint8_t* const table = class_table();
  return code_point < kClassTableSize ? table[code_point] : classify(code_point);
}

// \w: letters, marks, decimal digits, letter numbers, connectors and joiners.
bool is_word_char(int32_t code_point);
bool is_white_space(int32_t code_point);

}  // namespace fathom::tokenizer
