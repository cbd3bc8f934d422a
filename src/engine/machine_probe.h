#pragma once
// What this machine can do at all, measured where and when it is asked: the floors that figures are held against.

#include "ops/context.h"

namespace fathom::engine {

// Bytes per second that the team reads from memory, streaming through a buffer far larger than the caches; the best of
// several passes, because a neighbour can only slow one down.
double measure_read_bandwidth(ThreadTeam& team);

// Floating-point operations per second of the context's matrix product on a square problem that fits the caches.
double measure_gemm_rate(const ops::Context& ctx);

}  // namespace fathom::engine
