// Bytes as a tiktoken file, behind a zero byte its tokenizer_config.json: read or refused; what was read encodes and
// decodes text.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr std::string_view kText = "It's  na\xC3\xAFve [BOS] \xE4\xB8\xAD\xE6\x96\x87 1234\n\n \t!\r\n";
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view config = zero == std::string_view::npos ? std::string_view() : input.substr(zero + 1);
  try {
    const auto tokenizer = fathom::tokenizer::Tokenizer::from_tiktoken(input.substr(0, zero), config);
    for (const bool parse_special : {false, true}) {
      if (tokenizer->decode(tokenizer->encode(kText, {.parse_special = parse_special})) != kText) std::abort();
    }
  } catch (const fathom::Error&) {
  }
  return 0;
}
