#pragma once
// The plain twins of all kernels.

#include <cstddef>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/product.h"
#include "kernels/rowwise.h"
#include "tensor/dtype.h"

namespace fathom::kernels::reference {

MatmulKernels matmul_kernels(Compute compute);
ProductKernels product_kernels(Compute compute);
AttentionKernels attention_kernels(Compute compute);
RowwiseKernels rowwise_kernels();

// Value i of `x`, widened. Weights of a file need not be aligned to their type.
inline float stored_value(const void* x, DType dtype, int64_t i) noexcept {
  const auto* from = static_cast<const std::byte*>(x) + static_cast<size_t>(i) * dtype_bytes(dtype);
  float wide = 0;
  uint16_t half = 0;
  switch (dtype) {
    case DType::kF32:
      std::memcpy(&wide, from, sizeof wide);
      return wide;
    case DType::kBF16:
      std::memcpy(&half, from, sizeof half);
      return bf16_to_f32(half);
    case DType::kF16:
      std::memcpy(&half, from, sizeof half);
      return f16_to_f32(half);
    case DType::kF8E4M3:
      return f8e4m3_to_f32(static_cast<f8_t>(*from));
    default:
      return 0;  // no kernel takes other formats
  }
}

}  // namespace fathom::kernels::reference
