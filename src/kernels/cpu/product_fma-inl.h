#pragma once
// Products by F32 multiply-adds. A lies in strips of kStripRows rows, [k][rows]; B in strips of two vectors of columns,
// [k][columns]; both padded with zeros. A strip of each at a time, in registers over the whole depth.

#include "kernels/cpu/matmul_fma-inl.h"
#include "kernels/product.h"

namespace fathom::kernels {
namespace {

#ifdef __AVX512F__
constexpr int64_t kStripRows = 8;
#else
// A Vec is two of 16 registers.
constexpr int64_t kStripRows = 2;
#endif
constexpr int64_t kStripVecs = kStripRows == 8 ? 2 : 1;
constexpr int64_t kStripColumns = kStripVecs * kLanes;
static_assert(kProductGrain % kStripRows == 0 && kProductGrain % kStripColumns == 0);

template <int64_t kStrip>
size_t strips_bytes(int64_t outer, int64_t k) {
  return static_cast<size_t>(round_up(outer, kStrip) * k) * sizeof(float);
}
template <int64_t kStrip>
size_t strips_depth(int64_t k) {
  return static_cast<size_t>(k * kStrip) * sizeof(float);
}

template <typename Arithmetic>
inline float rounded_value(float x) {
  float out[kLanes];
  store(out, Arithmetic::rounded(broadcast(x)));
  return out[0];
}

// Rows of x are the outer dimension: turned on their way.
template <typename Arithmetic, int64_t kStrip>
void pack_strips_of_rows(const FactorArgs& a) noexcept {
  auto* packed = static_cast<float*>(a.packed);
  for (int64_t first_row = 0; first_row < a.rows; first_row += kStrip, packed += kStrip * a.cols) {
    for (int64_t i = 0; i < kStrip; ++i) {
      const int64_t r = first_row + i;
      const float* x = r < a.rows ? a.x + (a.chosen == nullptr ? r : a.chosen[r]) * a.x_stride : nullptr;
      for (int64_t c = 0; c < a.cols; c += kLanes) {
        const int64_t count = a.cols - c < kLanes ? a.cols - c : kLanes;
        float values[kLanes];
        store(values, x == nullptr ? zero() : Arithmetic::rounded(load(x + c, first(count))));
        for (int64_t j = 0; j < count; ++j) packed[(c + j) * kStrip + i] = values[j];
      }
    }
  }
}

// Rows of x are the depth.
template <typename Arithmetic, int64_t kStrip>
void pack_strips_of_columns(const FactorArgs& a) noexcept {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + (a.chosen == nullptr ? r : a.chosen[r]) * a.x_stride;
    float* packed = static_cast<float*>(a.packed) + r * kStrip;
    for (int64_t c = 0; c < a.cols; c += kStrip, packed += kStrip * a.rows) {
      const int64_t count = a.cols - c < kStrip ? a.cols - c : kStrip;
      if constexpr (kStrip % kLanes == 0) {
        for (int64_t j = 0; j < kStrip; j += kLanes) {
          const int64_t left = count - j;
          store(packed + j,
                left <= 0 ? zero() : Arithmetic::rounded(load(x + c + j, first(left < kLanes ? left : kLanes))));
        }
      } else {
        for (int64_t j = 0; j < kStrip; ++j) packed[j] = j < count ? rounded_value<Arithmetic>(x[c + j]) : 0.0F;
      }
    }
  }
}

inline void multiply_strips(const float* left, const float* right, const ProductArgs& a, int64_t row, int64_t column) {
  Vec sums[kStripRows][kStripVecs];
  for (auto& of_row : sums) {
    for (Vec& sum : of_row) sum = zero();
  }
  for (int64_t k = 0; k < a.k; ++k) {
    Vec b[kStripVecs];
    for (int64_t j = 0; j < kStripVecs; ++j) b[j] = load(right + k * kStripColumns + j * kLanes);
    for (int64_t i = 0; i < kStripRows; ++i) {
      const Vec value = broadcast(left[k * kStripRows + i]);
      for (int64_t j = 0; j < kStripVecs; ++j) sums[i][j] = fma(value, b[j], sums[i][j]);
    }
  }
  for (int64_t i = 0; i < kStripRows && row + i < a.m; ++i) {
    for (int64_t j = 0; j < kStripVecs; ++j) {
      const int64_t columns = a.n - column - j * kLanes;
      if (columns <= 0) break;
      const Mask valid = first(columns < kLanes ? columns : kLanes);
      float* y = a.y + (row + i) * a.y_stride + column + j * kLanes;
      store(y, a.accumulate ? load(y, valid) + sums[i][j] : sums[i][j], valid);
    }
  }
}

inline void multiply_fma(const ProductArgs& a) noexcept {
  for (int64_t column = 0; column < a.n; column += kStripColumns) {
    const float* right = static_cast<const float*>(a.right) + column * a.right_k;
    for (int64_t row = 0; row < a.m; row += kStripRows) {
      multiply_strips(static_cast<const float*>(a.left) + row * a.left_k, right, a, row, column);
    }
  }
}

template <typename Arithmetic>
constexpr ProductKernels fma_product() {
  return {strips_bytes<kStripRows>,
          strips_bytes<kStripColumns>,
          strips_depth<kStripRows>,
          strips_depth<kStripColumns>,
          pack_strips_of_rows<Arithmetic, kStripRows>,
          pack_strips_of_columns<Arithmetic, kStripRows>,
          pack_strips_of_columns<Arithmetic, kStripColumns>,
          pack_strips_of_rows<Arithmetic, kStripColumns>,
          multiply_fma};
}

}  // namespace
}  // namespace fathom::kernels
