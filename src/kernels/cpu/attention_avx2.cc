#include "kernels/cpu/attention_fma-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {

void install_attention_avx2(KernelTable& table) {
  table.attention[static_cast<int>(Compute::kF32)].latent_attention = latent_attention<F32Pages>;
  table.attention[static_cast<int>(Compute::kBF16)].latent_attention = latent_attention<Bf16Pages>;
}

}  // namespace fathom::kernels
