#pragma once
// Sixteen F32 lanes in two AVX2 registers. Same interface as rowwise_vec_avx512-inl.h. In an anonymous namespace,
// because each file that includes this is compiled for an instruction set of its own.

#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels {
namespace {

constexpr int kLanes = 16;

struct Vec {
  __m256 low;
  __m256 high;
};
struct Mask {
  __m256i low;
  __m256i high;
};

inline Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}

// The first n lanes, 0 <= n <= 16.
inline Mask first(int64_t n) {
  const __m256i count = _mm256_set1_epi32(static_cast<int>(n));
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(count, lane), _mm256_cmpgt_epi32(count, _mm256_add_epi32(lane, _mm256_set1_epi32(8)))};
}
// Lanes outside the mask are zero and their memory is not touched.
inline Vec load(const float* p, Mask m) { return {_mm256_maskload_ps(p, m.low), _mm256_maskload_ps(p + 8, m.high)}; }
inline void store(float* p, Vec a, Mask m) {
  _mm256_maskstore_ps(p, m.low, a.low);
  _mm256_maskstore_ps(p + 8, m.high, a.high);
}

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
// a b + c, rounded once.
inline Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
// The second operand where either is NaN.
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline Mask less(Vec a, Vec b) {
  return {_mm256_castps_si256(_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_castps_si256(_mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.low, yes.low, _mm256_castsi256_ps(m.low)),
          _mm256_blendv_ps(no.high, yes.high, _mm256_castsi256_ps(m.high))};
}

// a 2^n for whole n in [-160, 160], rounded once: two factors, as 2^n itself may lie outside of F32; the first product
// is exact for a near 1.
inline __m256 scale_by_power(__m256 a, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i rest = _mm256_sub_epi32(whole, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256 first_factor = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const __m256 second_factor = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(a, first_factor), second_factor);
}
inline Vec scale_by_power(Vec a, Vec n) { return {scale_by_power(a.low, n.low), scale_by_power(a.high, n.high)}; }

// The sum of the lanes: lane i takes lane i + 8, then + 4, + 2, + 1.
inline float reduce(Vec a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline __m128i load_eight(const uint16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// Exact.
inline __m256 widen_eight_bf16(const uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_eight(p)), 16));
}
inline Vec widen_bf16(const uint16_t* p) { return {widen_eight_bf16(p), widen_eight_bf16(p + 8)}; }
inline Vec widen_f16(const uint16_t* p) { return {_mm256_cvtph_ps(load_eight(p)), _mm256_cvtph_ps(load_eight(p + 8))}; }
// As F16 an E4M3 pattern shifted left by 7 is its value times 2^-8, subnormals included; only NaN is spelled apart.
inline Vec widen_f8e4m3(const uint8_t* p) {
  const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi16(0x7F));
  const __m256i sign = _mm256_slli_epi16(_mm256_and_si256(wide, _mm256_set1_epi16(0x80)), 8);
  const __m256i is_nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7F));
  const __m256i half = _mm256_or_si256(_mm256_slli_epi16(magnitude, 7), sign);
  const __m256i f16 = _mm256_blendv_epi8(half, _mm256_set1_epi16(0x7E00), is_nan);
  const __m256 rebase = _mm256_set1_ps(0x1p8F);
  return {_mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(f16)), rebase),
          _mm256_mul_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(f16, 1)), rebase)};
}

// BF16 patterns in the low halves of 32 bits: to nearest, ties to even, NaN kept quiet.
inline __m256i bf16_bits(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), quiet, is_nan);
}
inline void store_bf16(uint16_t* p, Vec a) {
  // The pack works within 128-bit halves; the permutation puts its quarters in order.
  const __m256i packed = _mm256_packus_epi32(bf16_bits(a.low), bf16_bits(a.high));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}
inline Vec round_bf16(Vec a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(bf16_bits(a.low), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(bf16_bits(a.high), 16))};
}

// 32 values starting at a as 16 pairs (even, odd).
struct Pairs {
  Vec even;
  Vec odd;
};
inline __m256 in_order(__m256 quarters) {
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(quarters), 0xD8));
}
inline Pairs deinterleave(Vec low, Vec high) {
  return {
      {in_order(_mm256_shuffle_ps(low.low, low.high, 0x88)), in_order(_mm256_shuffle_ps(high.low, high.high, 0x88))},
      {in_order(_mm256_shuffle_ps(low.low, low.high, 0xDD)), in_order(_mm256_shuffle_ps(high.low, high.high, 0xDD))}};
}
// The inverse; the lower 16 values are `even`.
inline Vec interleave_eight(__m256 even, __m256 odd) {
  const __m256 a = _mm256_unpacklo_ps(even, odd);
  const __m256 b = _mm256_unpackhi_ps(even, odd);
  return {_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)};
}
inline Pairs interleave(Vec even, Vec odd) {
  return {interleave_eight(even.low, odd.low), interleave_eight(even.high, odd.high)};
}

}  // namespace
}  // namespace fathom::kernels
