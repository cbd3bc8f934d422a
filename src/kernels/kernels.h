#pragma once
// The table of kernels: one per instruction set, filled by its own translation units; an instruction set takes the
// entry of the one below it where it has nothing better.

#include "base/cpu_features.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/product.h"
#include "kernels/rowwise.h"

namespace fathom::kernels {

struct KernelTable {
  Isa isa;
  MatmulKernels matmul[kComputes];        // by Compute
  ProductKernels product[kComputes];      // by Compute
  AttentionKernels attention[kComputes];  // by Compute
  RowwiseKernels rowwise;
};

// The table of `isa`; the processor must have it.
const KernelTable& kernel_table(Isa isa);

// The plain twins that a reader can check by eye, in reference/.
const KernelTable& reference_kernels();

// How the tables are built, in cpu/: each instruction set takes the table of the one below and replaces what it does
// better.
void install_rowwise_avx2(KernelTable& table);
void install_rowwise_avx512(KernelTable& table);
void install_matmul_avx2(KernelTable& table);
void install_matmul_avx512(KernelTable& table);
void install_matmul_avx512bf16(KernelTable& table);
void install_matmul_amx(KernelTable& table);
void install_product_avx2(KernelTable& table);
void install_product_avx512(KernelTable& table);
void install_product_avx512bf16(KernelTable& table);
void install_product_amx(KernelTable& table);
void install_attention_avx2(KernelTable& table);
void install_attention_avx512(KernelTable& table);

}  // namespace fathom::kernels
