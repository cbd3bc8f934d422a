#include "tokenizer/utf8.h"

#include <algorithm>
#include <cstring>

namespace fathom::tokenizer {
namespace {

struct Lead {
  int length;         // of the sequence; 0: no lead byte
  uint8_t low, high;  // range of the second byte: excludes overlong forms, surrogates and values past U+10FFFF
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

CodePoint decode_utf8_multibyte(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const Lead lead = lead_of(byte(0));
  if (lead.length < 2) return {lead.length == 1 ? byte(0) : -1, 1};
  int32_t value = byte(0) & (0x7F >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    const bool is_there = at + static_cast<size_t>(i) < text.size();
    const uint8_t next = is_there ? byte(static_cast<size_t>(i)) : 0;
    const bool is_fine = i == 1 ? next >= lead.low && next <= lead.high : (next & 0xC0) == 0x80;
    if (!is_there || !is_fine) return {-1, i};
    value = value << 6 | (next & 0x3F);
  }
  return {value, lead.length};
}

void append_utf8(std::string& out, int32_t code_point) {
  const auto add = [&](int32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xC0 | code_point >> 6);
    add(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    add(0xE0 | code_point >> 12);
    add(0x80 | (code_point >> 6 & 0x3F));
    add(0x80 | (code_point & 0x3F));
  } else {
    add(0xF0 | code_point >> 18);
    add(0x80 | (code_point >> 12 & 0x3F));
    add(0x80 | (code_point >> 6 & 0x3F));
    add(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (at + 8 <= text.size()) {  // eight ASCII bytes at once
      uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if ((word & 0x8080808080808080ULL) == 0) {
        at += 8;
        continue;
      }
    }
    const CodePoint c = decode_utf8(text, at);
    if (c.value < 0) return false;
    at += static_cast<size_t>(c.length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (c.value < 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(at, static_cast<size_t>(c.length));
    }
    at += static_cast<size_t>(c.length);
  }
  return out;
}

size_t incomplete_utf8_tail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t at = text.size() - back;
    const Lead lead = lead_of(static_cast<uint8_t>(text[at]));
    if (lead.length == 0) continue;  // a continuation byte
    const CodePoint c = decode_utf8(text, at);
    const bool is_open = c.value < 0 && at + static_cast<size_t>(c.length) == text.size() && lead.length > c.length;
    return is_open ? back : 0;
  }
  return 0;
}

}  // namespace fathom::tokenizer
