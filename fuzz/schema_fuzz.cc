// Bytes as a JSON Schema: an error, or a grammar whose masks lead on. Following them (the fuzzer's last bytes choose)
// never ends in a place without a token, and what ends is JSON.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "grammar/matcher.h"

namespace {

using namespace fathom::grammar;

std::shared_ptr<const TokenVocabulary> vocabulary() {
  static const auto made = [] {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    for (const char* text : {"{\"", "\":", "\",\"", "\"}", "]}", "}}", "12", "true", "  ", "a\""})
      tokens.emplace_back(text);
    tokens.emplace_back();
    const auto eos = static_cast<TokenId>(tokens.size() - 1);
    return std::make_shared<const TokenVocabulary>(std::move(tokens), eos);
  }();
  return made;
}

void follow(const std::shared_ptr<const CompiledGrammar>& grammar, const uint8_t* data, size_t size) {
  Matcher matcher(grammar);
  std::vector<uint64_t> mask(vocabulary()->mask_words());
  std::string text;
  for (size_t i = 0; i < 64 && !matcher.has_finished(); ++i) {
    matcher.mask(mask);
    const TokenId count = static_cast<TokenId>(vocabulary()->size());
    TokenId token = static_cast<TokenId>((size == 0 ? 0 : data[size - 1 - i % size]) * 7U % vocabulary()->size());
    for (TokenId tried = 0; ((mask[static_cast<size_t>(token) / 64] >> (token % 64)) & 1) == 0; ++tried) {
      if (tried == count) std::abort();
      token = (token + 1) % count;
    }
    if (!matcher.accept(token)) std::abort();
    text += vocabulary()->token_bytes(token);
  }
  if (matcher.has_finished()) fathom::json::parse(text, "text", 1000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  std::shared_ptr<const CompiledGrammar> grammar;
  try {
    const auto schema = fathom::json::parse({reinterpret_cast<const char*>(data), size}, "schema");
    grammar =
        std::make_shared<const CompiledGrammar>(Grammar::from_json_schema(schema, {.max_whitespace = 2}), vocabulary());
  } catch (const fathom::Error&) {
    return 0;
  }
  try {
    follow(grammar, data, size);
  } catch (const fathom::Error& error) {
    // Too ambiguous; anything else would be text that is no JSON.
    if (error.code() != fathom::ErrorCode::kResource) std::abort();
  }
  return 0;
}
