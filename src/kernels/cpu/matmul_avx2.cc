#include "kernels/cpu/matmul_fma-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {

void install_matmul_avx2(KernelTable& table) {
  table.matmul[static_cast<int>(Compute::kF32)] = fma_matmul<KeepF32>();
  table.matmul[static_cast<int>(Compute::kBF16)] = fma_matmul<RoundBf16>();
}

}  // namespace fathom::kernels
