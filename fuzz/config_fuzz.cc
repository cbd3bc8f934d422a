// Bytes as a config.json: read or refused, never a crash.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto value = fathom::json::parse(text, "input");
    fathom::model::read_config(fathom::json::Reader(value, "input"));
  } catch (const fathom::Error&) {
  }
  return 0;
}
