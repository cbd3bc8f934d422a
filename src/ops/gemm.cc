#include "ops/gemm.h"

#include <algorithm>
#include <functional>

namespace fathom::ops {
namespace {

constexpr int64_t kMinParallelWork = 1 << 16;
constexpr int64_t kFeatureGrain = 32;
// Columns that are turned at a time: a line of each row.
constexpr int64_t kTurn = 16;

void for_ranges(const Context& ctx, int64_t count, int64_t grain, int64_t work, Workers workers,
                const std::function<void(int64_t, int64_t)>& range) {
  if (workers == Workers::kCaller || work < kMinParallelWork) return range(0, count);
  const int64_t step = std::max(grain, round_up(ceil_div(count, int64_t{4} * ctx.team.size()), grain));
  ctx.team.for_each(ceil_div(count, step), [&](int64_t i, int) { range(i * step, std::min(count, (i + 1) * step)); });
}

// to[c, r] = x[r, c] for columns [begin, end), by blocks that stay in cache.
template <typename Store>
void turn(const Rows& x, int64_t begin, int64_t end, const Store& store) {
  for (int64_t c = begin; c < end; c += kTurn) {
    const int64_t columns = std::min(kTurn, end - c);
    for (int64_t r = 0; r < x.rows; ++r) {
      const float* from = x.row(r) + c;
      for (int64_t i = 0; i < columns; ++i) store(c + i, r, from[i]);
    }
  }
}

DType matrix_type(const Context& ctx) { return ctx.compute == Compute::kF32 ? DType::kF32 : DType::kBF16; }

// An uninitialised matrix of the context's arithmetic.
Weight empty_weight(const Context& ctx, int64_t rows, int64_t cols) {
  const Tensor values = ctx.empty({rows, cols}, matrix_type(ctx));
  return {.view = {.data = values.data_bytes(), .dtype = values.dtype(), .rows = rows, .cols = cols},
          .owner = std::make_shared<Tensor>(values)};
}

}  // namespace

Rows rows_of(const Tensor& x) { return {.values = x.f32(), .rows = x.dim(0), .cols = x.dim(1), .stride = x.dim(1)}; }

Tensor transposed(const Context& ctx, const Rows& x, Workers workers) {
  Tensor out = ctx.empty({x.cols, x.rows});
  for_ranges(ctx, x.cols, kTurn, x.rows * x.cols, workers, [&](int64_t begin, int64_t end) {
    turn(x, begin, end, [&](int64_t c, int64_t r, float value) { out.row(c)[r] = value; });
  });
  return out;
}

Weight transposed_weight(const Context& ctx, const Rows& x, Workers workers) {
  Weight out = empty_weight(ctx, x.cols, x.rows);
  auto* values = const_cast<void*>(out.view.data);
  for_ranges(ctx, x.cols, kTurn, x.rows * x.cols, workers, [&](int64_t begin, int64_t end) {
    if (out.view.dtype == DType::kF32) {
      turn(x, begin, end,
           [&](int64_t c, int64_t r, float value) { static_cast<float*>(values)[c * x.rows + r] = value; });
    } else {
      turn(x, begin, end, [&](int64_t c, int64_t r, float value) {
        static_cast<bf16_t*>(values)[c * x.rows + r] = f32_to_bf16(value);
      });
    }
  });
  return out;
}

Weight transposed_weight(const Context& ctx, const Weight& w, Workers workers) {
  if (w.view.dtype == DType::kF32) {
    return transposed_weight(ctx, Rows{static_cast<const float*>(w.view.data), w.rows(), w.cols(), w.cols(), nullptr},
                             workers);
  }
  FATHOM_CHECK_MSG(w.view.dtype == DType::kBF16, "gradient through a matrix of {}", dtype_name(w.view.dtype));
  const auto* from = static_cast<const bf16_t*>(w.view.data);
  Weight out = empty_weight(ctx, w.cols(), w.rows());
  auto* values = const_cast<void*>(out.view.data);
  for_ranges(ctx, w.cols(), kTurn, w.rows() * w.cols(), workers, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < w.rows(); ++r) {
      for (int64_t c = begin; c < end; ++c) {
        const bf16_t value = from[r * w.cols() + c];
        if (out.view.dtype == DType::kF32) {
          static_cast<float*>(values)[c * w.rows() + r] = bf16_to_f32(value);
        } else {
          static_cast<bf16_t*>(values)[c * w.rows() + r] = value;
        }
      }
    }
  });
  return out;
}

void gemm(const Context& ctx, const Rows& a, const Weight& b, float* y, int64_t y_stride, bool accumulate,
          Workers workers) {
  FATHOM_CHECK_MSG(a.cols == b.cols(), "product of [{}, {}] and [{}, {}]", a.rows, a.cols, b.rows(), b.cols());
  if (a.rows == 0 || a.cols == 0) return;
  const auto& matmul = ctx.matmul();
  const auto packed = ctx.allocator.allocate(matmul.packed_bytes(a.rows, a.cols));
  for_ranges(ctx, a.cols, kernels::kPackK, a.rows * a.cols, workers, [&](int64_t begin, int64_t end) {
    matmul.pack({.x = a.values + begin,
                 .x_stride = a.stride,
                 .rows = a.chosen,
                 .m = a.rows,
                 .k = a.cols,
                 .k_begin = begin,
                 .k_end = end,
                 .packed = packed.get()});
  });
  for_ranges(ctx, b.rows(), kFeatureGrain, a.rows * b.rows() * a.cols, workers, [&](int64_t begin, int64_t end) {
    matmul.linear({.packed_x = packed.get(),
                   .m = a.rows,
                   .w = b.view,
                   .n_begin = begin,
                   .n_end = end,
                   .y = y + begin,
                   .y_stride = y_stride,
                   .accumulate = accumulate});
  });
}

void gemm_dgrad(const Context& ctx, const Rows& dy, const Weight& w, float* dx, int64_t dx_stride, bool accumulate,
                Workers workers) {
  gemm(ctx, dy, transposed_weight(ctx, w, workers), dx, dx_stride, accumulate, workers);
}

void gemm_wgrad(const Context& ctx, const Rows& dy, const Rows& x, float* dw, Workers workers) {
  const Tensor dy_turned = transposed(ctx, dy, workers);
  gemm(ctx, rows_of(dy_turned), transposed_weight(ctx, x, workers), dw, x.cols, true, workers);
}

}  // namespace fathom::ops
