#include "kernels/kernels.h"

#include "base/check.h"
#include "kernels/reference/reference.h"

namespace fathom::kernels {
namespace {

KernelTable make_reference() {
  return {.isa = Isa::kPlain,
          .matmul = {reference::matmul_kernels(Compute::kF32), reference::matmul_kernels(Compute::kBF16)},
          .product = {reference::product_kernels(Compute::kF32), reference::product_kernels(Compute::kBF16)},
          .attention = {reference::attention_kernels(Compute::kF32), reference::attention_kernels(Compute::kBF16)},
          .rowwise = reference::rowwise_kernels()};
}

KernelTable make(Isa isa) {
  KernelTable table = make_reference();
  table.isa = isa;
  if (isa >= Isa::kAvx2) {
    install_rowwise_avx2(table);
    install_matmul_avx2(table);
    install_product_avx2(table);
    install_attention_avx2(table);
  }
  if (isa >= Isa::kAvx512) {
    install_rowwise_avx512(table);
    install_matmul_avx512(table);
    install_product_avx512(table);
    install_attention_avx512(table);
  }
  if (isa >= Isa::kAvx512Bf16) {
    install_matmul_avx512bf16(table);
    install_product_avx512bf16(table);
  }
  if (isa >= Isa::kAmx) {
    install_matmul_amx(table);
    install_product_amx(table);
  }
  return table;
}

}  // namespace

const KernelTable& reference_kernels() { return kernel_table(Isa::kPlain); }

const KernelTable& kernel_table(Isa isa) {
  static const KernelTable tables[] = {make(Isa::kPlain), make(Isa::kAvx2), make(Isa::kAvx512), make(Isa::kAvx512Bf16),
                                       make(Isa::kAmx)};
  FATHOM_CHECK_MSG(isa <= best_isa(), "{} asked of a processor with {}", isa_name(isa), isa_name(best_isa()));
  return tables[static_cast<int>(isa)];
}

}  // namespace fathom::kernels
