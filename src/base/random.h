#pragma once
// Counter-based random numbers: a value is a function of (seed, stream, index) and of nothing that ran before, so the
// same seed gives the same text on any number of threads, and a resumed run continues exactly.

#include <cmath>
#include <cstdint>

namespace fathom {

class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t stream) : key_(mix(mix(seed) ^ (stream + kGolden))) {}

  // 64 uniform bits for `index`.
  uint64_t bits(uint64_t index) const { return mix(key_ + index * kGolden); }

  // Uniform in the open interval (0, 1).
  double uniform(uint64_t index) const { return (static_cast<double>(bits(index) >> 12) + 0.5) * 0x1p-52; }

  // Standard normal (Box-Muller over two indices of its own).
  double normal(uint64_t index) const {
    const double radius = std::sqrt(-2.0 * std::log(uniform(2 * index)));
    return radius * std::cos(6.283185307179586 * uniform(2 * index + 1));
  }

 private:
  static constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
  // The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that passes BigCrush over a counter.
  static uint64_t mix(uint64_t x) {
    x += kGolden;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }

  uint64_t key_;
};

}  // namespace fathom
