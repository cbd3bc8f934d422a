#pragma once
// Matrices as they lie in memory: plain structs that kernels read and that own nothing.

#include <cstdint>

#include "tensor/dtype.h"

namespace fathom {

// Side of the square blocks that share one scale in published FP8 checkpoints (V3 report, section 3.3.2).
constexpr int64_t kScaleBlock = 128;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// A matrix of `rows` x `cols` values, row-major without gaps. For weights of linear layers rows are output features and
// cols are input features, as published.
struct MatrixView {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  // FP8 only: value(r, c) = data(r, c) * scale_inv(r / 128, c / 128), shape [ceil(rows/128), ceil(cols/128)].
  const float* scale_inv = nullptr;

  int64_t scale_cols() const { return ceil_div(cols, kScaleBlock); }
  const void* row(int64_t r) const {
    return static_cast<const char*>(data) + static_cast<size_t>(r * cols) * dtype_bytes(dtype);
  }
  // Scale of block column `block` in the row of blocks that holds row r; 1 for formats without scales.
  float scale(int64_t r, int64_t block) const {
    return scale_inv == nullptr ? 1.0F : scale_inv[r / kScaleBlock * scale_cols() + block];
  }
};

}  // namespace fathom
