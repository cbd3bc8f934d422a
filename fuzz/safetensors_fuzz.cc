// Bytes as a safetensors file: parsed or refused, never a crash; every tensor that is let through can be read to its
// end, and compares equal to itself.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/error.h"
#include "checkpoint/compare.h"
#include "checkpoint/safetensors.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Changed bytes seldom leave a header whose length is right, so every other time it is put right: as far as the last
// brace.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  uint64_t length = 0;
  if (seed % 2 == 0 || size < sizeof(length)) return size;
  for (size_t end = size; end > sizeof(length); --end) {
    if (data[end - 1] != '}') continue;
    length = end - sizeof(length);
    break;
  }
  std::memcpy(data, &length, sizeof(length));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  try {
    const auto file = checkpoint::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "input");
    for (const auto& tensor : file->tensors()) {
      try {
        checkpoint::read_tensor(*file, tensor);
        checkpoint::read_ids(*file, tensor.name);
      } catch (const Error&) {  // of another type
      }
    }
    for (const auto& difference : checkpoint::compare(*file, *file).both) {
      if (!difference.is_within(0)) __builtin_trap();
    }
  } catch (const Error&) {
  }
  return 0;
}
