#pragma once
// FP8 as the V3 report trains with it (section 3.3.2): activations in E4M3 tiles of 1x128 along the features, or 128x1
// along the tokens where products sum over these, each with the scale that takes its largest value to 448.
//
// Emulated exactly: what a product reads has been rounded to E4M3 and scaled back to F32, in which sums are taken.

#include <cstdint>

#include "ops/gemm.h"

namespace fathom::ops {

// The largest E4M3 value.
inline constexpr float kLargestE4M3 = 448;
inline constexpr int64_t kFp8Tile = 128;

// Values rounded to E4M3 in place, one tile of at most 128 that share a scale.
void round_fp8_tile(float* values, int64_t n);
// Copies of rows, rounded in tiles of 1x128 along each row, or of 128x1 down each column.
Tensor fp8_rounded(const Context& ctx, const Rows& x);
Tensor fp8_rounded_down(const Context& ctx, const Rows& x);

}  // namespace fathom::ops
