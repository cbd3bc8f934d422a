#pragma once
// A fast hash with good bits, the same on every machine and in every version: it may be written to disk.

#include <cstdint>
#include <string_view>

namespace fathom {

// XXH3, 64 bits.
uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

}  // namespace fathom
