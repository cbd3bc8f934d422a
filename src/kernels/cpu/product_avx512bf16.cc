// Products by dot products of pairs: a pair of A against 16 pairs of B.

#include "kernels/cpu/product_tiles-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

constexpr int64_t kRows = 8;  // of A at a time, with two tiles of B

inline __m512i pair_at(const uint16_t* a) {
  int32_t pair;
  __builtin_memcpy(&pair, a, sizeof pair);
  return _mm512_set1_epi32(pair);
}

template <int kTilesOfB>
void rows_by_tiles(const ProductArgs& a, int64_t row, int64_t column) {
  const uint16_t* left = tiles_of(a.left, row / kTile * kTile, a.left_k) + row % kTile * kChunk;
  const uint16_t* right[kTilesOfB];
  for (int t = 0; t < kTilesOfB; ++t) right[t] = tiles_of(a.right, column + t * kTile, a.right_k);
  // y is as large as a batch's activations: what the next call adds to comes from memory meanwhile.
  for (int64_t i = row + kRows; i < row + 2 * kRows && i < a.m; ++i) {
    for (int t = 0; t < kTilesOfB; ++t) __builtin_prefetch(a.y + i * a.y_stride + column + t * kTile, 1);
  }
  __m512 sums[kRows][kTilesOfB];
  for (auto& of_row : sums) {
    for (auto& sum : of_row) sum = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < a.k; k += kChunk, left += kTileValues) {
    for (int64_t p = 0; p < kTile; ++p) {
      __m512i b[kTilesOfB];
      for (int t = 0; t < kTilesOfB; ++t) b[t] = _mm512_load_si512(right[t] + k * kTile + p * kChunk);
#pragma GCC unroll 8
      for (int64_t i = 0; i < kRows; ++i) {
        const __m512i pair = pair_at(left + i * kChunk + 2 * p);
        for (int t = 0; t < kTilesOfB; ++t) {
          sums[i][t] = _mm512_dpbf16_ps(sums[i][t], std::bit_cast<__m512bh>(pair), std::bit_cast<__m512bh>(b[t]));
        }
      }
    }
  }
  for (int64_t i = 0; i < kRows && row + i < a.m; ++i) {
    for (int t = 0; t < kTilesOfB; ++t) {
      const int64_t at = column + t * kTile;
      const Mask valid = first(a.n - at < kTile ? a.n - at : kTile);
      float* y = a.y + (row + i) * a.y_stride + at;
      const Vec sum = {sums[i][t]};
      store(y, a.accumulate ? load(y, valid) + sum : sum, valid);
    }
  }
}

void multiply_pairs(const ProductArgs& a) noexcept {
  for (int64_t column = 0; column < a.n; column += 2 * kTile) {
    for (int64_t row = 0; row < a.m; row += kRows) {
      a.n - column > kTile ? rows_by_tiles<2>(a, row, column) : rows_by_tiles<1>(a, row, column);
    }
  }
}

}  // namespace

void install_product_avx512bf16(KernelTable& table) {
  table.product[static_cast<int>(Compute::kBF16)] = tile_product(multiply_pairs);
}

}  // namespace fathom::kernels
