#include "kernels/cpu/rowwise-inl.h"
#include "kernels/kernels.h"

namespace fathom::kernels {

void install_rowwise_avx512(KernelTable& table) { table.rowwise = kRowwise; }

}  // namespace fathom::kernels
