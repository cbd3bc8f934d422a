#include "ops/gemm.h"

#include <algorithm>
#include <functional>

#include "ops/fp8.h"

namespace fathom::ops {
namespace {

constexpr int64_t kMinParallelWork = 1 << 16;
// Rows of the left side in a work item, and how deep it is packed at a time: together they stay in the second level of
// cache beside a strip of the right side in the first.
constexpr int64_t kItemRows = 128;
constexpr int64_t kItemDepth = 512;
// Columns of the right side that are packed at a time.
constexpr int64_t kItemColumns = 256;
static_assert(kItemRows % kernels::kProductGrain == 0 && kItemDepth % kernels::kProductGrain == 0 &&
              kItemColumns % kernels::kProductGrain == 0);

void for_items(const Context& ctx, int64_t count, int64_t grain, int64_t work, Workers workers,
               const std::function<void(int64_t, int64_t)>& item) {
  const bool is_alone = workers == Workers::kCaller || work < kMinParallelWork;
  const auto range = [&](int64_t i, int) { item(i * grain, std::min(count, (i + 1) * grain)); };
  if (!is_alone) return ctx.team.for_each(ceil_div(count, grain), range);
  for (int64_t i = 0; i * grain < count; ++i) range(i, 0);
}

const kernels::ProductKernels& product(const Context& ctx) {
  return ctx.kernels.product[static_cast<int>(ctx.compute)];
}

// Rows [row, row + rows) and columns [column, column + cols) of x.
kernels::FactorArgs part(const Rows& x, int64_t row, int64_t rows, int64_t column, int64_t cols, void* packed) {
  return {.x = x.values + column + (x.chosen == nullptr ? row * x.stride : 0),
          .x_stride = x.stride,
          .chosen = x.chosen == nullptr ? nullptr : x.chosen + row,
          .rows = rows,
          .cols = cols,
          .packed = packed};
}

}  // namespace

Rows rows_of(const Tensor& x) { return {.values = x.f32(), .rows = x.dim(0), .cols = x.dim(1), .stride = x.dim(1)}; }

RightFactor right_factor(const Context& ctx, const Rows& x, Turned turned, Workers workers) {
  const auto& kernels = product(ctx);
  const bool is_turned = turned == Turned::kYes;
  RightFactor out = {.packed = nullptr, .k = is_turned ? x.cols : x.rows, .n = is_turned ? x.rows : x.cols};
  out.packed = ctx.allocator.allocate(kernels.right_bytes(out.n, out.k));
  for_items(ctx, out.n, kItemColumns, out.n * out.k, workers, [&](int64_t begin, int64_t end) {
    void* to = out.packed.get() + kernels.right_bytes(begin, out.k);
    is_turned ? kernels.pack_right_turned(part(x, begin, end - begin, 0, x.cols, to))
              : kernels.pack_right(part(x, 0, x.rows, begin, end - begin, to));
  });
  return out;
}

RightFactor right_factor(const Context& ctx, const Weight& w, Turned turned, Workers workers) {
  const auto rows_at = [&](const float* values) { return Rows{values, w.rows(), w.cols(), w.cols(), nullptr}; };
  if (w.view.dtype == DType::kF32) {
    return right_factor(ctx, rows_at(static_cast<const float*>(w.view.data)), turned, workers);
  }
  const Tensor wide = ctx.empty({w.rows(), w.cols()});
  for_items(ctx, w.rows(), kItemRows, w.rows() * w.cols(), workers, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const auto* row = static_cast<const std::byte*>(w.view.row(r));
      for (int64_t c = 0; c < w.cols(); c += kScaleBlock) {
        ctx.rowwise().widen(row + static_cast<size_t>(c) * dtype_bytes(w.view.dtype), w.view.dtype,
                            w.view.scale(r, c / kScaleBlock), std::min(kScaleBlock, w.cols() - c), wide.row(r) + c);
      }
    }
  });
  return right_factor(ctx, rows_at(wide.f32()), turned, workers);
}

void gemm(const Context& ctx, const Rows& a, Turned turned, const RightFactor& b, int64_t n, float* y, int64_t y_stride,
          bool accumulate, Workers workers) {
  const auto& kernels = product(ctx);
  const bool is_turned = turned == Turned::kYes;
  const int64_t m = is_turned ? a.cols : a.rows;
  const int64_t k = is_turned ? a.rows : a.cols;
  FATHOM_CHECK_MSG(k <= b.k && n <= b.n, "product of [{}, {}] and [{}, {}]", m, k, b.k, b.n);
  for_items(ctx, m, kItemRows, m * n * k, workers, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    const auto packed = ctx.allocator.allocate(kernels.left_bytes(rows, std::min(k, kItemDepth)));
    for (int64_t at = 0; at < k; at += kItemDepth) {
      const int64_t depth = std::min(kItemDepth, k - at);
      is_turned ? kernels.pack_left_turned(part(a, at, depth, begin, rows, packed.get()))
                : kernels.pack_left(part(a, begin, rows, at, depth, packed.get()));
      kernels.multiply({.left = packed.get(),
                        .right = b.packed.get() + kernels.right_depth(at),
                        .left_k = depth,
                        .right_k = b.k,
                        .m = rows,
                        .n = n,
                        .k = depth,
                        .y = y + begin * y_stride,
                        .y_stride = y_stride,
                        .accumulate = accumulate || at > 0});
    }
  });
}

bool has_gemm_fprop(const Weight& w) { return w.view.dtype == DType::kF32; }

void gemm_fprop(const Context& ctx, const Rows& x, const Weight& w, float* y, Workers workers) {
  if (x.rows == 0) return;
  gemm(ctx, x, Turned::kNo, right_factor(ctx, w, Turned::kYes, workers), w.rows(), y, w.rows(), false, workers);
}

bool runs_in_fp8(const Context& ctx, const Weight& w) { return ctx.trains_in_fp8 && w.view.dtype == DType::kF8E4M3; }

WeightGradient weight_gradient(const Context& ctx, Tape& tape, const Weight& w, const Rows& dy) {
  return {.dy = dy, .dw = tape.gradient(w).f32(), .is_fp8 = runs_in_fp8(ctx, w)};
}

void gemm_dgrad(const Context& ctx, const Rows& dy, const Weight& w, float* dx, int64_t dx_stride, bool accumulate,
                Workers workers) {
  if (dy.rows == 0) return;
  if (runs_in_fp8(ctx, w)) {
    const Tensor rounded = fp8_rounded(ctx, dy);
    const RightFactor right = right_factor(ctx, w, Turned::kNo, workers);
    return gemm(ctx, rows_of(rounded), Turned::kNo, right, w.cols(), dx, dx_stride, accumulate, workers);
  }
  gemm(ctx, dy, Turned::kNo, right_factor(ctx, w, Turned::kNo, workers), w.cols(), dx, dx_stride, accumulate, workers);
}

void gemm_wgrad(const Context& ctx, const Rows& x, std::span<const WeightGradient> gradients, Workers workers) {
  if (x.rows == 0) return;
  if (gradients[0].is_fp8) {
    // x was read in tiles of 1x128 before; the sum over tokens wants its tiles the other way.
    const Tensor again = fp8_rounded(ctx, x);
    const Tensor down = fp8_rounded_down(ctx, rows_of(again));
    const RightFactor right = right_factor(ctx, rows_of(down), Turned::kNo, workers);
    for (const WeightGradient& gradient : gradients) {
      const Tensor dy = fp8_rounded_down(ctx, gradient.dy);
      gemm(ctx, rows_of(dy), Turned::kYes, right, x.cols, gradient.dw, x.cols, true, workers);
    }
    return;
  }
  const RightFactor right = right_factor(ctx, x, Turned::kNo, workers);
  for (const WeightGradient& gradient : gradients) {
    gemm(ctx, gradient.dy, Turned::kYes, right, x.cols, gradient.dw, x.cols, true, workers);
  }
}

}  // namespace fathom::ops
