#pragma once
// GPT-2's alphabet: every byte as a character that prints, so that any bytes can stand in a JSON file. Bytes that print
// stand for themselves, the others for U+0100 and on, in order.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fathom::tokenizer {

// The character of a byte, UTF-8.
std::string symbol_of(uint8_t byte);

// The bytes that a vocabulary entry's symbols stand for; nothing when a character is no symbol.
std::optional<std::string> bytes_of(std::string_view symbols);

}  // namespace fathom::tokenizer
