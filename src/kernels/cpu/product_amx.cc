// Products by AMX tiles, two of A by two of B at a time. Sums begin at what y holds where they are added to it.

#include "kernels/cpu/amx-inl.h"
#include "kernels/cpu/product_tiles-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

// Tiles 0..3: sums; 4, 5: A; 6, 7: B.
class AmxProduct {
 public:
  explicit AmxProduct(const ProductArgs& a) : a_(a) {}

  void run() const {
    TileShapes shapes;
    for (int i = 0; i < 8; ++i) shapes.set(i, kTile, 64);
    shapes.load();
    for (int64_t column = 0; column < a_.n; column += 2 * kTile) {
      for (int64_t row = 0; row < a_.m; row += 2 * kTile) {
        const bool has_one_row = a_.m - row <= kTile;
        const bool has_one_column = a_.n - column <= kTile;
        if (has_one_row) {
          has_one_column ? tiles<1, 1>(row, column) : tiles<1, 2>(row, column);
        } else {
          has_one_column ? tiles<2, 1>(row, column) : tiles<2, 2>(row, column);
        }
      }
    }
    release_tiles();
  }

 private:
  template <int A, int B>
  void tiles(int64_t row, int64_t column) const {
    const bool is_whole = row + A * kTile <= a_.m && column + B * kTile <= a_.n;
    const bool begins_at_y = is_whole && a_.accumulate;
    const int64_t stride = a_.y_stride * 4;
    float* y = a_.y + row * a_.y_stride + column;
    if (begins_at_y) {
      _tile_loadd(0, y, stride);
      if constexpr (B > 1) _tile_loadd(1, y + kTile, stride);
      if constexpr (A > 1) _tile_loadd(2, y + kTile * a_.y_stride, stride);
      if constexpr (A > 1 && B > 1) _tile_loadd(3, y + kTile * a_.y_stride + kTile, stride);
    } else {
      _tile_zero(0);
      if constexpr (B > 1) _tile_zero(1);
      if constexpr (A > 1) _tile_zero(2);
      if constexpr (A > 1 && B > 1) _tile_zero(3);
    }
    const uint16_t* left[2] = {tiles_of(a_.left, row, a_.left_k), tiles_of(a_.left, row + (A - 1) * kTile, a_.left_k)};
    const uint16_t* right[2] = {tiles_of(a_.right, column, a_.right_k),
                                tiles_of(a_.right, column + (B - 1) * kTile, a_.right_k)};
    for (int64_t k = 0; k < a_.k; k += kChunk) {
      _tile_loadd(6, right[0] + k * kTile, 64);
      _tile_loadd(4, left[0] + k * kTile, 64);
      if constexpr (B > 1) _tile_loadd(7, right[1] + k * kTile, 64);
      if constexpr (A > 1) _tile_loadd(5, left[1] + k * kTile, 64);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (B > 1) _tile_dpbf16ps(1, 4, 7);
      if constexpr (A > 1) _tile_dpbf16ps(2, 5, 6);
      if constexpr (A > 1 && B > 1) _tile_dpbf16ps(3, 5, 7);
    }
    if (is_whole) {
      _tile_stored(0, y, stride);
      if constexpr (B > 1) _tile_stored(1, y + kTile, stride);
      if constexpr (A > 1) _tile_stored(2, y + kTile * a_.y_stride, stride);
      if constexpr (A > 1 && B > 1) _tile_stored(3, y + kTile * a_.y_stride + kTile, stride);
      return;
    }
    alignas(64) float sums[4][kTile][kTile];
    _tile_stored(0, sums[0], 64);
    if constexpr (B > 1) _tile_stored(1, sums[1], 64);
    if constexpr (A > 1) _tile_stored(2, sums[2], 64);
    if constexpr (A > 1 && B > 1) _tile_stored(3, sums[3], 64);
    for (int i = 0; i < A; ++i) {
      for (int j = 0; j < B; ++j) put(sums[i * 2 + j], row + i * kTile, column + j * kTile);
    }
  }

  void put(const float (&sums)[kTile][kTile], int64_t row, int64_t column) const {
    const Mask valid = first(a_.n - column < kTile ? a_.n - column : kTile);
    for (int64_t i = 0; i < kTile && row + i < a_.m; ++i) {
      float* y = a_.y + (row + i) * a_.y_stride + column;
      store(y, a_.accumulate ? load(y, valid) + load(sums[i]) : load(sums[i]), valid);
    }
  }

  const ProductArgs& a_;
};

void multiply_amx(const ProductArgs& a) noexcept { AmxProduct(a).run(); }

}  // namespace

void install_product_amx(KernelTable& table) {
  table.product[static_cast<int>(Compute::kBF16)] = tile_product(multiply_amx);
}

}  // namespace fathom::kernels
