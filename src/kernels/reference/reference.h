#pragma once
// The plain twins of all kernels.

#include "kernels/attention.h"
#include "kernels/matmul.h"
#include "kernels/rowwise.h"

namespace fathom::kernels::reference {

MatmulKernels matmul_kernels(Compute compute);
AttentionKernels attention_kernels(Compute compute);
RowwiseKernels rowwise_kernels();

}  // namespace fathom::kernels::reference
