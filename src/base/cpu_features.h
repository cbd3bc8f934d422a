#pragma once
// What the processor can do, asked once. Kernels are chosen by Isa; a level contains those before it.

#include <string_view>

namespace fathom {

enum class Isa {
  kPlain,       // portable C++, the reference
  kAvx2,        // AVX2, FMA, F16C
  kAvx512,      // AVX-512 F, BW, DQ, VL
  kAvx512Bf16,  // and BF16 dot products, VBMI, VNNI, GFNI
  kAmx,         // and AMX tiles with BF16 and INT8
};

std::string_view isa_name(Isa isa);

// The best level that this processor and kernel offer. Asking for AMX state is part of it (Linux gives tile registers
// only on request), so this also makes AMX usable in all threads of the process.
Isa best_isa();

// The level that FATHOM_ISA (plain, avx2, avx512, avx512bf16, amx) names, bounded by best_isa(); best_isa() without it.
// Throws Error(kInvalidArgument) for an unknown name.
Isa chosen_isa();

}  // namespace fathom
