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
inline __m512i to_bf16(Vec low, Vec high) { return std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v)); }

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

// 64 values; of each quarter's 16 the first 8 go to `low`.
inline void f8_quarters_to_bf16(__m512i bytes, __m512i& low, __m512i& high) {
  // Zeros, subnormals and NaN, whose magnitude doubled is below 16 or 254: rare enough to be looked up.
  const __m512i doubled = _mm512_add_epi8(bytes, bytes);
  const __m512i from_normal = _mm512_sub_epi8(doubled, _mm512_set1_epi8(16));
  __m512i lower_bytes;
  __m512i upper_bytes;
  if (__builtin_expect(_mm512_cmpgt_epu8_mask(from_normal, _mm512_set1_epi8(static_cast<char>(237))) == 0, 1)) {
    // seeeemmm: the bias grows by 120, so that the byte above the lowest bit of e is 0x3C more.
    lower_bytes = _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(0x01020408), 0);
    upper_bytes = _mm512_add_epi8(_mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(0x1020400000000080), 0),
                                  _mm512_set1_epi8(0x3C));
  } else {
    const F8Table& table = f8_table();
    const auto look_up = [&](const uint8_t* half) {
      return _mm512_permutex2var_epi8(_mm512_load_si512(half), bytes, _mm512_load_si512(half + 64));
    };
    lower_bytes = look_up(table.low);
    // | (bytes & 0x80)
    upper_bytes = _mm512_ternarylogic_epi64(look_up(table.high), bytes, _mm512_set1_epi8(-128), 0xF8);
  }
  low = _mm512_unpacklo_epi8(lower_bytes, upper_bytes);
  high = _mm512_unpackhi_epi8(lower_bytes, upper_bytes);
}

// 64 values; the first 32 go to `low`.
inline void f8_to_bf16(__m512i bytes, __m512i& low, __m512i& high) {
  f8_quarters_to_bf16(_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), bytes), low, high);
}

// Writes columns [begin, begin + count) of a row as BF16, padded with zeros to whole chunks. While E4M3 is converted,
// memory is asked for half as many bytes from `ahead` on.
template <typename Stored>
inline void chunks_of_row(const typename Stored::Value* row, int64_t begin, int64_t count, uint16_t* to,
                          [[maybe_unused]] const char* ahead = nullptr) {
  int64_t k = 0;
  if constexpr (Stored::kType == DType::kF8E4M3) {
    __m512i low;
    __m512i high;
    for (; k + 2 * kChunk <= count; k += 2 * kChunk, to += 2 * kChunk) {
      _mm_prefetch(ahead + k / 2, _MM_HINT_T1);
      f8_to_bf16(_mm512_loadu_si512(row + begin + k), low, high);
      _mm512_storeu_si512(to, low);
      _mm512_storeu_si512(to + kChunk, high);
    }
    if (k == count) return;
    f8_to_bf16(_mm512_maskz_loadu_epi8((__mmask64{1} << (count - k)) - 1, row + begin + k), low, high);
    _mm512_storeu_si512(to, low);
    if (count - k > kChunk) _mm512_storeu_si512(to + kChunk, high);
  } else if constexpr (Stored::kType == DType::kBF16) {
    for (; k < count; k += kChunk, to += kChunk) {
      const int64_t left = count - k;
      const __mmask32 valid = left >= kChunk ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
      _mm512_storeu_si512(to, _mm512_maskz_loadu_epi16(valid, row + begin + k));
    }
  } else {
    for (; k < count; k += kChunk, to += kChunk) {
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
