#pragma once
// UTF-8: decoding with replacement of what is none.

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::tokenizer {

struct CodePoint {
  int32_t value;  // -1: invalid
  int length;     // bytes; for an invalid sequence its maximal bad subsequence (Unicode 15, section 3.9)
};

// decode_utf8() of a text that is not ASCII at `at`.
CodePoint decode_utf8_multibyte(std::string_view text, size_t at);

// The code point at `text[at]`, at < text.size().
inline CodePoint decode_utf8(std::string_view text, size_t at) {
  const auto byte = static_cast<uint8_t>(text[at]);
  return byte < 0x80 ? CodePoint{byte, 1} : decode_utf8_multibyte(text, at);
}

// Appends the UTF-8 form of a code point in [0, 0x10FFFF].
void append_utf8(std::string& out, int32_t code_point);

bool is_valid_utf8(std::string_view text);

// `text` with each maximal bad subsequence replaced by U+FFFD; the same text when it is valid.
std::string valid_utf8(std::string_view text);

// Bytes at the end of `text` that begin a character and could still become one; 0 when it ends on a whole one or in
// garbage.
size_t incomplete_utf8_tail(std::string_view text);

}  // namespace fathom::tokenizer
