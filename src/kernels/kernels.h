#pragma once
// The table of kernels: one per instruction set, filled by its own translation units; an instruction set takes the entry
// of the one below it where it has nothing better.

#include "base/cpu_features.h"
#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/rowwise.h"

namespace fathom::kernels {

struct KernelTable {
  Isa isa;
  MatmulKernels matmul[kComputes];        // by Compute
  AttentionKernels attention[kComputes];  // by Compute
  RowwiseKernels rowwise;
};

// The table of `isa`; the processor must have it.
const KernelTable& kernel_table(Isa isa);

// The plain twins that a reader can check by eye, in reference/.
const KernelTable& reference_kernels();

// How the tables are built: each takes the one below and replaces what it does better. Those of instruction sets that
// the compiler's target lacks are absent from the build.
void install_avx2(KernelTable& table);
void install_avx512(KernelTable& table);
void install_avx512bf16(KernelTable& table);
void install_amx(KernelTable& table);

}  // namespace fathom::kernels
