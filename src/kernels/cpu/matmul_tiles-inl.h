#pragma once
// How a product is cut into register tiles: `kRows` rows of x by `kFeatures` rows of w, each (row, feature) with an
// accumulator of its own, so that its order of summation does not depend on the tile it falls into.

#include "kernels/matmul.h"

namespace fathom::kernels {
namespace {

// Rows of x that are taken through all features before the next: together they stay in the second level of cache.
constexpr int64_t kRowBlock = 96;

// Calls tile.run<R, F>(row, feature) for R rows by F features until all of [row, row_end) x [feature, feature + F).
template <int R, int F, typename Tile>
void cover_rows(const Tile& tile, int64_t row, int64_t row_end, int64_t feature) {
  for (; row + R <= row_end; row += R) tile.template run<R, F>(row, feature);
  if constexpr (R > 1) cover_rows<R - 1, F>(tile, row, row_end, feature);
}

// Tile has kRows, kFeatures, run<R, F>() and begin_features(feature, count), called before the runs of these features.
template <typename Tile>
void cover(Tile& tile, int64_t m, int64_t n_begin, int64_t n_end) {
  for (int64_t row = 0; row < m; row += kRowBlock) {
    const int64_t row_end = row + kRowBlock < m ? row + kRowBlock : m;
    int64_t n = n_begin;
    for (; n + Tile::kFeatures <= n_end; n += Tile::kFeatures) {
      tile.begin_features(n, Tile::kFeatures);
      cover_rows<Tile::kRows, Tile::kFeatures>(tile, row, row_end, n);
    }
    for (; n < n_end; ++n) {
      tile.begin_features(n, 1);
      cover_rows<Tile::kRows, 1>(tile, row, row_end, n);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
