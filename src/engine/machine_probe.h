#pragma once
// What this machine can do at all, measured where and when it is asked: the floors that figures are held against.

#include <cstddef>
#include <memory>

#include "base/thread_team.h"
#include "ops/context.h"
#include "tensor/allocator.h"

namespace fathom::engine {

// Reads through a buffer far larger than the caches. Measured in turn with what is held against it, because the
// bandwidth of a shared machine changes from second to second.
class MemoryProbe {
 public:
  explicit MemoryProbe(ThreadTeam& team);

  // Bytes per second that the team reads from memory; the best of three passes, because a neighbour can only slow one
  // down.
  double read_bandwidth();

 private:
  ThreadTeam& team_;
  CachingAllocator allocator_;
  std::shared_ptr<std::byte> memory_;
};

// Floating-point operations per second of the context's matrix product on a square problem that fits the caches.
double measure_gemm_rate(const ops::Context& ctx);

}  // namespace fathom::engine
