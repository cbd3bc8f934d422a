// Plain matrix products: every value widened, multiplied and summed in double, one at a time.

#include "kernels/matmul.h"

#include <algorithm>
#include <cstring>

#include "kernels/reference/reference.h"

namespace fathom::kernels::reference {
namespace {

float rounded(float value, Compute compute) {
  return compute == Compute::kBF16 ? bf16_to_f32(f32_to_bf16(value)) : value;
}

// Packed activations are plain rows of F32, rounded where the arithmetic asks for it.
size_t packed_bytes(int64_t m, int64_t k) { return static_cast<size_t>(m * round_up(k, kPackK)) * sizeof(float); }

template <Compute compute>
void pack(const PackArgs& a) noexcept {
  const int64_t stride = round_up(a.k, kPackK);
  for (int64_t i = 0; i < a.m; ++i) {
    const float* x = a.x + (a.rows == nullptr ? i : a.rows[i]) * a.x_stride;
    float* to = static_cast<float*>(a.packed) + i * stride;
    for (int64_t k = a.k_begin; k < a.k_end; ++k) to[k] = rounded(x[k - a.k_begin], compute);
    if (a.k_end == a.k) std::fill(to + a.k, to + stride, 0.0F);
  }
}

template <Compute compute>
float dot_row(const float* x, const MatrixView& w, int64_t n) {
  double sum = 0;
  for (int64_t block = 0; block * kScaleBlock < w.cols; ++block) {
    double block_sum = 0;
    const int64_t end = std::min(w.cols, (block + 1) * kScaleBlock);
    for (int64_t k = block * kScaleBlock; k < end; ++k) {
      block_sum += static_cast<double>(x[k]) * rounded(stored_value(w.data, w.dtype, n * w.cols + k), compute);
    }
    sum += block_sum * w.scale(n, block);
  }
  return static_cast<float>(sum);
}

template <Compute compute>
void linear(const LinearArgs& a) noexcept {
  const int64_t stride = round_up(a.w.cols, kPackK);
  for (int64_t i = 0; i < a.m; ++i) {
    const float* x = static_cast<const float*>(a.packed_x) + i * stride;
    for (int64_t n = a.n_begin; n < a.n_end; ++n) {
      float& y = a.y[i * a.y_stride + n - a.n_begin];
      const float product = dot_row<compute>(x, a.w, n);
      y = a.accumulate ? y + product : product;
    }
  }
}

template <Compute compute>
void transposed_linear(const TransposedLinearArgs& a) noexcept {
  for (int64_t i = 0; i < a.m; ++i) {
    const float* x = a.x + i * a.x_stride;
    for (int64_t c = 0; c < a.w.cols; ++c) {
      double sum = 0;
      for (int64_t row = a.row_begin; row < a.row_end; ++row) {
        const double weight =
            rounded(stored_value(a.w.data, a.w.dtype, row * a.w.cols + c), compute) * a.w.scale(row, c / kScaleBlock);
        sum += rounded(x[row - a.row_begin], compute) * weight;
      }
      a.y[i * a.y_stride + c] = static_cast<float>(sum);
    }
  }
}

template <Compute compute>
constexpr MatmulKernels kTable = {packed_bytes, pack<compute>, linear<compute>, transposed_linear<compute>};

}  // namespace

MatmulKernels matmul_kernels(Compute compute) {
  return compute == Compute::kF32 ? kTable<Compute::kF32> : kTable<Compute::kBF16>;
}

}  // namespace fathom::kernels::reference
