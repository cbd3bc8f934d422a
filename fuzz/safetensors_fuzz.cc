// Bytes as a safetensors file: parsed or refused, never a crash; every tensor that is let through can be read to its
// end.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = fathom::checkpoint::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "input");
    volatile std::byte seen{};
    for (const auto& tensor : file->tensors()) {
      if (tensor.bytes.empty()) continue;
      seen = tensor.bytes.front();
      seen = tensor.bytes.back();
    }
  } catch (const fathom::Error&) {
  }
  return 0;
}
