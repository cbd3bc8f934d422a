#pragma once
// 16 x 16 matrices of 32-bit values turned over their diagonal.

#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels {
namespace {

// Rows of a tile, and 32-bit values in a row.
constexpr int64_t kTile = 16;

// lines[i][j] becomes lines[j][i].
inline void transpose(__m512i (&lines)[kTile]) {
  __m512i a[kTile];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(lines[i], lines[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(lines[i], lines[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    lines[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    lines[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    lines[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    lines[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  // lines[4 g + j], quarter q: column 4 q + j of rows 4 g .. 4 g + 3.
  for (int j = 0; j < 4; ++j) {
    a[j] = _mm512_shuffle_i32x4(lines[j], lines[4 + j], 0x88);
    a[4 + j] = _mm512_shuffle_i32x4(lines[j], lines[4 + j], 0xDD);
    a[8 + j] = _mm512_shuffle_i32x4(lines[8 + j], lines[12 + j], 0x88);
    a[12 + j] = _mm512_shuffle_i32x4(lines[8 + j], lines[12 + j], 0xDD);
  }
  for (int j = 0; j < 4; ++j) {
    lines[j] = _mm512_shuffle_i32x4(a[j], a[8 + j], 0x88);
    lines[8 + j] = _mm512_shuffle_i32x4(a[j], a[8 + j], 0xDD);
    lines[4 + j] = _mm512_shuffle_i32x4(a[4 + j], a[12 + j], 0x88);
    lines[12 + j] = _mm512_shuffle_i32x4(a[4 + j], a[12 + j], 0xDD);
  }
}

}  // namespace
}  // namespace fathom::kernels
