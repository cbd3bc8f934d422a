#pragma once
// Values of all formats as vectors of 32 BF16, for instruction sets that multiply those.

#include <bit>

#include "kernels/cpu/matmul_stored-inl.h"
#include "kernels/matmul.h"

namespace fathom::kernels {
namespace {

// BF16 values in a chunk: one vector, and the depth of one step of a dot product.
constexpr int64_t kChunk = 32;
static_assert(kPackK == kChunk);
constexpr int64_t kBlockChunks = kScaleBlock / kChunk;

// To nearest, ties to even; numbers below the normal ones become zero.
inline __m512i to_bf16(Vec low, Vec high) {
  return std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v));
}

// Both bytes of the BF16 of each E4M3 magnitude, and the quick way to look them up.
struct F8Table {
  alignas(64) uint8_t low[128];
  alignas(64) uint8_t high[128];
};
inline const F8Table& f8_table() {
  static const F8Table table = [] {
    F8Table out;
    for (int i = 0; i < 128; ++i) {
      const bf16_t bits = f32_to_bf16(f8e4m3_to_f32(static_cast<f8_t>(i)));  // exact
      out.low[i] = static_cast<uint8_t>(bits & 0xFF);
      out.high[i] = static_cast<uint8_t>(bits >> 8);
    }
    return out;
  }();
  return table;
}

class F8Decoder {
 public:
  F8Decoder() : table_(f8_table()) {}

  // 64 values; the first 32 go to `first`.
  void decode(__m512i bytes, __m512i& first_half, __m512i& second_half) const {
    // Unpacking works within quarters: 8 bytes of the lower and 8 of the upper half meet in each.
    const __m512i spread = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), bytes);
    const __m512i low = _mm512_permutex2var_epi8(at(table_.low), spread, at(table_.low + 64));
    const __m512i magnitude = _mm512_permutex2var_epi8(at(table_.high), spread, at(table_.high + 64));
    // high = magnitude | (spread & 0x80)
    const __m512i high = _mm512_ternarylogic_epi64(magnitude, spread, _mm512_set1_epi8(-128), 0xF8);
    first_half = _mm512_unpacklo_epi8(low, high);
    second_half = _mm512_unpackhi_epi8(low, high);
  }

 private:
  static __m512i at(const uint8_t* p) { return _mm512_load_si512(p); }
  const F8Table& table_;
};

// Writes columns [begin, begin + count) of a row as chunks of BF16, padded with zeros, `stride` values apart.
template <typename Stored>
inline void chunks_of_row(const typename Stored::Value* row, int64_t begin, int64_t count, uint16_t* to,
                          int64_t stride) {
  int64_t k = 0;
  if constexpr (Stored::kType == DType::kF8E4M3) {
    const F8Decoder decoder;
    for (; k < count; k += 2 * kChunk) {
      const int64_t left = count - k;
      const __mmask64 valid = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
      __m512i first_half;
      __m512i second_half;
      decoder.decode(_mm512_maskz_loadu_epi8(valid, row + begin + k), first_half, second_half);
      _mm512_storeu_si512(to, first_half);
      if (left > kChunk) _mm512_storeu_si512(to + stride, second_half);
      to += 2 * stride;
    }
  } else if constexpr (Stored::kType == DType::kBF16) {
    for (; k < count; k += kChunk, to += stride) {
      const int64_t left = count - k;
      const __mmask32 valid = left >= kChunk ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
      _mm512_storeu_si512(to, _mm512_maskz_loadu_epi16(valid, row + begin + k));
    }
  } else {
    for (; k < count; k += kChunk, to += stride) {
      const int64_t left = count - k;
      const auto half = [&](int64_t at) {
        if (left >= at + kLanes) return Stored::widen(row + begin + k + at);
        return left > at ? widen_first<Stored>(row + begin + k + at, left - at) : zero();
      };
      _mm512_storeu_si512(to, to_bf16(half(0), half(kLanes)));
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
