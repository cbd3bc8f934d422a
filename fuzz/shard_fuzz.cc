// Bytes as a token shard: read or refused, and every document of what was read lies within it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "train/token_shard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint64_t> aligned(size / sizeof(uint64_t) + 1);
  std::memcpy(aligned.data(), data, size);
  try {
    const auto shard = fathom::train::TokenShard::parse(std::as_bytes(std::span(aligned)).first(size), "fuzz");
    int64_t tokens = 0;
    for (int64_t i = 0; i < shard->documents(); ++i) {
      for (const auto token : shard->document(i)) tokens += token.id() < shard->vocab_size() ? 1 : 0;
    }
    if (tokens != shard->tokens()) std::abort();
  } catch (const fathom::Error&) {
  }
  return 0;
}
