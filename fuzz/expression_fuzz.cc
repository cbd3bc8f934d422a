// Bytes as an expression of the calculator: a value or an error, in one line either way, and the same each time. A
// whole value is an expression of itself.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "assistant/expression.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fathom::assistant::evaluate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = evaluate(text);
  if (result.text.empty() || result.text.size() > 100) std::abort();
  if (result.text.find('\n') != std::string::npos) std::abort();
  if (evaluate(text).text != result.text) std::abort();
  constexpr size_t kSureDigits = 38;
  const bool is_short = result.text.size() <= kSureDigits;
  if (!result.is_error && is_short && result.text.find('e') == std::string::npos) {
    const auto again = evaluate(result.text);
    if (again.is_error || again.text != result.text) std::abort();
  }
  return 0;
}
