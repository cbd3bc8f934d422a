#pragma once
// y[m, n] (+)= A[m, k] B[k, n] of activations, gradients and weights that are read once or twice: what the backward
// pass multiplies. Both factors are packed first, from rows as they lie or turned over their diagonal, so that Fprop,
// Dgrad and Wgrad are the same product (V3 report, figure 6): x w^T, dy w and dy^T x.
//
// Determinism: the bits of y[m, n] depend on row m of A, column n of B and the instruction set.

#include <cstddef>
#include <cstdint>

namespace fathom::kernels {

// Rows of A and columns of B may be packed and multiplied in ranges that begin at multiples of this; so may k.
constexpr int64_t kProductGrain = 32;

struct FactorArgs {
  const float* x = nullptr;         // [rows, cols]
  int64_t x_stride = 0;             // values between rows
  const int32_t* chosen = nullptr;  // [rows] which rows of x to take; null: 0..rows-1
  int64_t rows = 0;
  int64_t cols = 0;
  void* packed = nullptr;  // aligned to 64 bytes
};

struct ProductArgs {
  const void* left = nullptr;   // A
  const void* right = nullptr;  // B
  int64_t left_k = 0;           // the depths that they were packed with; k may end before them
  int64_t right_k = 0;
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  bool accumulate = false;  // add to y instead of replacing it
};

struct ProductKernels {
  // Bytes of a packed factor: `outer` rows of A or columns of B, k deep. With a multiple of kProductGrain, also where
  // row or column `outer` begins.
  size_t (*left_bytes)(int64_t outer, int64_t k);
  size_t (*right_bytes)(int64_t outer, int64_t k);
  // How far depth k (a multiple of kProductGrain) lies behind depth 0.
  size_t (*left_depth)(int64_t k);
  size_t (*right_depth)(int64_t k);
  void (*pack_left)(const FactorArgs&) noexcept;          // A = x
  void (*pack_left_turned)(const FactorArgs&) noexcept;   // A = x^T
  void (*pack_right)(const FactorArgs&) noexcept;         // B = x
  void (*pack_right_turned)(const FactorArgs&) noexcept;  // B = x^T
  void (*multiply)(const ProductArgs&) noexcept;
};

}  // namespace fathom::kernels
