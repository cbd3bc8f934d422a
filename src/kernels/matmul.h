#pragma once
// Products of activations with weights that stay in their published format. Activations are packed once into the layout
// that the instruction set likes best; weights are read where they lie and widened in registers.
//
// Determinism: the bits of y[m, n] depend on row m of x, row n of w, K and the instruction set, and on nothing else:
// not on M, not on how the n range was cut, not on neighbours. Every implementation keeps one order of summation for
// all M.

#include <cstddef>
#include <cstdint>

#include "tensor/blocks.h"

namespace fathom::kernels {

// Arithmetic of products.
enum class Compute : uint8_t {
  kF32,   // activations F32, weights widened exactly, products and sums in F32
  kBF16,  // activations (and F32 and F16 weights) rounded to BF16, sums in F32
};
constexpr int kComputes = 2;

// Packing of rows of x for linear(). Columns are padded with zeros to a multiple of kPackK.
constexpr int64_t kPackK = 32;

struct PackArgs {
  const float* x = nullptr;       // the value of row 0, column k_begin
  int64_t x_stride = 0;           // values between rows
  const int32_t* rows = nullptr;  // [m] which rows of x to take; null: 0..m-1
  int64_t m = 0;                  // rows to pack
  int64_t k = 0;                  // columns in all
  int64_t k_begin = 0;  // columns to pack now; multiples of kPackK, or k_end == k, which also writes the padding
  int64_t k_end = 0;
  void* packed = nullptr;  // packed_bytes(m, k), 64-byte aligned
};

struct LinearArgs {
  const void* packed_x = nullptr;  // m rows of k columns, from pack
  int64_t m = 0;
  MatrixView w;         // [n, k]
  int64_t n_begin = 0;  // output features to compute
  int64_t n_end = 0;
  float* y = nullptr;  // where (row 0, feature n_begin) goes
  int64_t y_stride = 0;
  bool accumulate = false;  // add to y instead of replacing it
};

struct TransposedLinearArgs {
  const float* x = nullptr;  // [m, rows], row stride x_stride
  int64_t x_stride = 0;
  int64_t m = 0;
  MatrixView w;           // rows [row_begin, row_end) take part
  int64_t row_begin = 0;  // x column j meets row row_begin + j of w
  int64_t row_end = 0;
  float* y = nullptr;  // [m, w.cols], row stride y_stride
  int64_t y_stride = 0;
};

struct MatmulKernels {
  // Bytes that pack() fills for m rows of k columns.
  size_t (*packed_bytes)(int64_t m, int64_t k);
  void (*pack)(const PackArgs&) noexcept;
  // y[m, n] = sum over k of x[m, k] w[n, k] for n in [n_begin, n_end).
  void (*linear)(const LinearArgs&) noexcept;
  // y[m, c] = sum over j of x[m, j] w[row_begin + j, c]: the product with w itself instead of its transpose, as
  // absorbing W_UK into the query needs it (and Dgrad). The order of summation is the order of rows.
  void (*transposed_linear)(const TransposedLinearArgs&) noexcept;
};

}  // namespace fathom::kernels
