#include "ops/fp8.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace fathom::ops {
namespace {

// Of an all-zero tile any scale would do.
float scale_of(float largest) { return largest > 0 ? largest / kLargestE4M3 : 1.0F; }

float scale_of(const float* values, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
  return scale_of(largest);
}

Tensor copied(const Context& ctx, const Rows& x) {
  Tensor y = ctx.empty({x.rows, x.cols});
  for (int64_t r = 0; r < x.rows; ++r) std::copy_n(x.row(r), x.cols, y.row(r));
  return y;
}

float rounded(float value, float scale) { return f8e4m3_to_f32(f32_to_f8e4m3(value / scale)) * scale; }

}  // namespace

void round_fp8_tile(float* values, int64_t n) {
  const float scale = scale_of(values, n);
  for (int64_t i = 0; i < n; ++i) values[i] = rounded(values[i], scale);
}

Tensor fp8_rounded(const Context& ctx, const Rows& x) {
  Tensor y = copied(ctx, x);
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; c += kFp8Tile) round_fp8_tile(y.row(r) + c, std::min(kFp8Tile, x.cols - c));
  }
  return y;
}

Tensor fp8_rounded_down(const Context& ctx, const Rows& x) {
  Tensor y = copied(ctx, x);
  std::vector<float> scales(static_cast<size_t>(x.cols));
  for (int64_t begin = 0; begin < x.rows; begin += kFp8Tile) {
    const int64_t end = std::min(x.rows, begin + kFp8Tile);
    std::fill(scales.begin(), scales.end(), 0.0F);
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < x.cols; ++c) {
        float& largest = scales[static_cast<size_t>(c)];
        largest = std::max(largest, std::fabs(y.row(r)[c]));
      }
    }
    for (float& scale : scales) scale = scale_of(scale);
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < x.cols; ++c) y.row(r)[c] = rounded(y.row(r)[c], scales[static_cast<size_t>(c)]);
    }
  }
  return y;
}

}  // namespace fathom::ops
