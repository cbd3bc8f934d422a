#pragma once
// Working memory of kernels. Apart from them, because they are compiled per instruction set and must not emit functions
// of the standard library.

#include <cstddef>

namespace fathom::kernels {

// At least `bytes`, aligned to 64, uninitialised; the calling thread's own, valid until its next call. It grows to the
// largest request (some 300 KB for 64 rows of DeepSeek-V3) and is freed with the thread.
void* kernel_scratch(size_t bytes) noexcept;

}  // namespace fathom::kernels
