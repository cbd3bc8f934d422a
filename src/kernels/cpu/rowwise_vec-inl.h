#pragma once
// The vector of 16 F32 lanes for the instruction set that the including file is compiled for.

#ifdef __AVX512F__
#include "kernels/cpu/rowwise_vec_avx512-inl.h"  // IWYU pragma: export
#else
#include "kernels/cpu/rowwise_vec_avx2-inl.h"  // IWYU pragma: export
#endif
