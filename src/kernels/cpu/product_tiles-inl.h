#pragma once
// Factors of products in tiles of 16 outer rows (or columns) x 32 of depth, a kilobyte of BF16 each, padded with zeros.
// A tile of A: [16 rows][32]. A tile of B: [16 pairs of depth][16 columns][2].

#include "kernels/cpu/matmul_bf16-inl.h"
#include "kernels/cpu/transpose-inl.h"
#include "kernels/product.h"

namespace fathom::kernels {
namespace {

constexpr int64_t kTileValues = kTile * kChunk;

inline size_t tiles_bytes(int64_t outer, int64_t k) {
  return static_cast<size_t>(round_up(outer, kTile) * round_up(k, kChunk)) * 2;
}
inline size_t tiles_depth(int64_t k) { return static_cast<size_t>(k * kTile) * 2; }

inline const uint16_t* tiles_of(const void* packed, int64_t outer, int64_t k) {
  return static_cast<const uint16_t*>(packed) + outer * round_up(k, kChunk);
}

inline const float* factor_row(const FactorArgs& a, int64_t r) {
  return a.x + (a.chosen == nullptr ? r : a.chosen[r]) * a.x_stride;
}

// Rows of x are the outer dimension; kTurned: line p of a tile is a pair of depth, else line i is a row.
template <bool kTurned>
void pack_tiles_of_rows(const FactorArgs& a) noexcept {
  auto* to = static_cast<uint16_t*>(a.packed);
  for (int64_t r = 0; r < a.rows; r += kTile) {
    const int64_t rows = a.rows - r < kTile ? a.rows - r : kTile;
    const float* x[kTile];
    for (int64_t i = 0; i < kTile; ++i) x[i] = factor_row(a, i < rows ? r + i : r);
    for (int64_t c = 0; c < a.cols; c += kChunk, to += kTileValues) {
      const int64_t count = a.cols - c;
      const Mask low = first(count < kLanes ? count : kLanes);
      const Mask high = first(count < kLanes ? 0 : count < kChunk ? count - kLanes : kLanes);
      __m512i lines[kTile];
      for (int64_t i = 0; i < kTile; ++i) {
        const Mask valid = i < rows ? 0xFFFF : 0;
        lines[i] = to_bf16(load(x[i] + c, static_cast<Mask>(low & valid)),
                           load(x[i] + c + (count < kLanes ? 0 : kLanes), static_cast<Mask>(high & valid)));
      }
      if constexpr (kTurned) transpose(lines);
      for (int64_t i = 0; i < kTile; ++i) _mm512_store_si512(to + i * kChunk, lines[i]);
    }
  }
}

// Rows of x are the depth. Pairs of rows are woven together, which makes a line of a tile of B; kTurned: for A.
template <bool kTurned>
void pack_tiles_of_columns(const FactorArgs& a) noexcept {
  alignas(64) static constexpr uint16_t kWeave[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i weave = _mm512_load_si512(kWeave);
  const int64_t of_strip = round_up(a.rows, kChunk) * kTile;  // values
  for (int64_t r = 0; r < a.rows; r += kChunk) {
    const int64_t rows = a.rows - r < kChunk ? a.rows - r : kChunk;
    const float* x[kChunk];
    for (int64_t i = 0; i < kChunk; ++i) x[i] = factor_row(a, i < rows ? r + i : r);
    uint16_t* to = static_cast<uint16_t*>(a.packed) + r * kTile;
    for (int64_t c = 0; c < a.cols; c += kTile, to += of_strip) {
      const Mask columns = first(a.cols - c < kTile ? a.cols - c : kTile);
      __m512i lines[kTile];
      for (int64_t p = 0; p < kTile; ++p) {
        const Mask even = 2 * p < rows ? columns : Mask{0};
        const Mask odd = 2 * p + 1 < rows ? columns : Mask{0};
        lines[p] = _mm512_permutexvar_epi16(weave, to_bf16(load(x[2 * p] + c, even), load(x[2 * p + 1] + c, odd)));
      }
      if constexpr (kTurned) transpose(lines);
      for (int64_t p = 0; p < kTile; ++p) _mm512_store_si512(to + p * kChunk, lines[p]);
    }
  }
}

constexpr ProductKernels tile_product(void (*multiply)(const ProductArgs&) noexcept) {
  return {tiles_bytes,
          tiles_bytes,
          tiles_depth,
          tiles_depth,
          pack_tiles_of_rows<false>,
          pack_tiles_of_columns<true>,
          pack_tiles_of_columns<false>,
          pack_tiles_of_rows<true>,
          multiply};
}

}  // namespace
}  // namespace fathom::kernels
