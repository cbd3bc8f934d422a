// Plain products: factors are stored as they are multiplied, sums are in double.

#include "kernels/product.h"

#include "kernels/matmul.h"
#include "kernels/reference/reference.h"

namespace fathom::kernels::reference {
namespace {

size_t factor_bytes(int64_t outer, int64_t k) { return static_cast<size_t>(outer * k) * sizeof(float); }
size_t factor_depth(int64_t k) { return static_cast<size_t>(k) * sizeof(float); }

// Packed factors are rows of A or columns of B, one after the other.
template <Compute compute, bool has_outer_rows>
void pack(const FactorArgs& a) noexcept {
  auto* to = static_cast<float*>(a.packed);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + (a.chosen == nullptr ? r : a.chosen[r]) * a.x_stride;
    for (int64_t c = 0; c < a.cols; ++c) {
      const float value = compute == Compute::kBF16 ? bf16_to_f32(f32_to_bf16(x[c])) : x[c];
      to[has_outer_rows ? r * a.cols + c : c * a.rows + r] = value;
    }
  }
}

void multiply(const ProductArgs& a) noexcept {
  for (int64_t i = 0; i < a.m; ++i) {
    for (int64_t j = 0; j < a.n; ++j) {
      const float* left = static_cast<const float*>(a.left) + i * a.left_k;
      const float* right = static_cast<const float*>(a.right) + j * a.right_k;
      double sum = 0;
      for (int64_t k = 0; k < a.k; ++k) sum += static_cast<double>(left[k]) * right[k];
      float& y = a.y[i * a.y_stride + j];
      y = a.accumulate ? y + static_cast<float>(sum) : static_cast<float>(sum);
    }
  }
}

template <Compute compute>
constexpr ProductKernels kTable = {factor_bytes,         factor_bytes,        factor_depth,
                                   factor_depth,         pack<compute, true>, pack<compute, false>,
                                   pack<compute, false>, pack<compute, true>, multiply};

}  // namespace

ProductKernels product_kernels(Compute compute) {
  return compute == Compute::kF32 ? kTable<Compute::kF32> : kTable<Compute::kBF16>;
}

}  // namespace fathom::kernels::reference
