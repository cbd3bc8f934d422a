#include "kernels/cpu/product_fma-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {

void install_product_avx512(KernelTable& table) {
  table.product[static_cast<int>(Compute::kF32)] = fma_product<KeepF32>();
  table.product[static_cast<int>(Compute::kBF16)] = fma_product<RoundBf16>();
}

}  // namespace fathom::kernels
