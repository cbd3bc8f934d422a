// Bytes as EBNF and as a regular expression: an error, or an automaton that reads the input itself without harm.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "grammar/matcher.h"

namespace {

using namespace fathom::grammar;

std::shared_ptr<const TokenVocabulary> vocabulary() {
  static const auto made = [] {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    for (const char* text : {"ab", "aba", "12", "xx", "()"}) tokens.emplace_back(text);
    return std::make_shared<const TokenVocabulary>(std::move(tokens), std::nullopt);
  }();
  return made;
}

// What the mask says and what accept() says is the same.
void follow(const Grammar& grammar, std::string_view text) {
  Matcher matcher(std::make_shared<const CompiledGrammar>(grammar, vocabulary()));
  std::vector<uint64_t> mask(vocabulary()->mask_words());
  for (size_t i = 0; i < text.size() && i < 32; ++i) {
    matcher.mask(mask);
    const auto token = static_cast<TokenId>(static_cast<uint8_t>(text[i]));
    const bool is_allowed = ((mask[static_cast<size_t>(token) / 64] >> (token % 64)) & 1) != 0;
    if (matcher.accept(token) != is_allowed) std::abort();
  }
  matcher.forced_bytes(64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 2048) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool is_regex : {false, true}) {
    try {
      follow(is_regex ? Grammar::from_regex(text) : Grammar::from_ebnf(text), text);
    } catch (const fathom::Error&) {
    }
  }
  return 0;
}
