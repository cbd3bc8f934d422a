#include "tokenizer/byte_symbols.h"

#include <array>

#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr int32_t kNone = -1;
constexpr int32_t kFirstStandIn = 0x100;

struct Table {
  std::array<int32_t, 256> symbol_of;
  std::array<int32_t, 0x144> byte_of;

  Table() {
    byte_of.fill(kNone);
    int32_t next = kFirstStandIn;
    for (int32_t byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const int32_t symbol = prints ? byte : next++;
      symbol_of[static_cast<size_t>(byte)] = symbol;
      byte_of[static_cast<size_t>(symbol)] = byte;
    }
  }
};

const Table& table() {
  static const Table made;
  return made;
}

}  // namespace

std::string symbol_of(uint8_t byte) {
  std::string out;
  append_utf8(out, table().symbol_of[byte]);
  return out;
}

std::optional<std::string> bytes_of(std::string_view symbols) {
  const auto& byte_of = table().byte_of;
  std::string out;
  for (size_t at = 0; at < symbols.size();) {
    const CodePoint c = decode_utf8(symbols, at);
    if (c.value < 0 || c.value >= static_cast<int32_t>(byte_of.size()) ||
        byte_of[static_cast<size_t>(c.value)] == kNone) {
      return std::nullopt;
    }
    out += static_cast<char>(byte_of[static_cast<size_t>(c.value)]);
    at += static_cast<size_t>(c.length);
  }
  return out;
}

}  // namespace fathom::tokenizer
