#include "kernels/cpu/scratch.h"

#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace fathom::kernels {
namespace {

struct Free {
  void operator()(void* block) const { std::free(block); }
};

struct Scratch {
  std::unique_ptr<void, Free> block;
  size_t bytes = 0;
};

}  // namespace

void* kernel_scratch(size_t bytes) noexcept {
  static thread_local Scratch scratch;
  if (bytes > scratch.bytes) {
    const size_t rounded = (bytes + 63) / 64 * 64;
    scratch.block.reset(std::aligned_alloc(64, rounded));
    FATHOM_CHECK_MSG(scratch.block != nullptr, "no memory for {} bytes of scratch", rounded);
    scratch.bytes = rounded;
  }
  return scratch.block.get();
}

}  // namespace fathom::kernels
