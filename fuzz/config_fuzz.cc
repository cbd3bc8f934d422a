// Bytes as a config.json: read or refused, never a crash; what is let through makes a model whose sizes do not
// overflow.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "checkpoint/summary.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  // More modules than this are allowed and slow.
  constexpr int64_t kMostModules = 500;
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto value = json::parse(text, "input");
    const auto config = model::read_config(json::Reader(value, "input"));
    if (config.cache_layers() * (config.n_routed_experts + 1) > kMostModules) return 0;
    if (checkpoint::summarize(config).parameters <= 0) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
