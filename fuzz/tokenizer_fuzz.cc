// Bytes as a tokenizer.json: read or refused; and what was read encodes and decodes any text.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace {

// What is left of the input behind a zero byte is text; a fixed one without.
constexpr std::string_view kText =
    "Hello  world\n\t 123456 <\xEF\xBD\x9CUser\xEF\xBD\x9C> na\xC3\xAFve \xE4\xBD\xA0\xE5\xA5\xBD \xFF";

void use(const std::shared_ptr<const fathom::tokenizer::Tokenizer>& tokenizer, std::string_view text) {
  for (const bool parse_special : {false, true}) {
    const auto ids = tokenizer->encode(text, {.parse_special = parse_special});
    fathom::tokenizer::StreamDecoder decoder(tokenizer, false);
    std::string streamed;
    for (const auto id : ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    if (streamed != tokenizer->decode(ids)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const std::string_view text = zero == std::string_view::npos ? kText : input.substr(zero + 1);
  try {
    use(fathom::tokenizer::Tokenizer::from_json(input.substr(0, zero)), text);
  } catch (const fathom::Error&) {
  }
  // Any bytes as text for the patterns of DeepSeek-V3, scanned and by regular expressions.
  static const auto v3 = fathom::tokenizer::make_v3_scanner();
  std::vector<size_t> ends;
  const std::string valid = fathom::tokenizer::valid_utf8(input);
  v3->split(valid, ends);
  for (size_t i = 1; i < ends.size(); ++i) {
    if (ends[i] <= ends[i - 1]) std::abort();
  }
  if (!valid.empty() && (ends.empty() || ends.back() != valid.size())) std::abort();
  return 0;
}
