#pragma once
// Products by F32 multiply-adds, weights widened as they are read. Lane i of an accumulator sums the columns i mod 16,
// in order; FP8 scales are multiplied into the weight.

#include "kernels/cpu/matmul_stored-inl.h"
#include "kernels/cpu/matmul_tiles-inl.h"

namespace fathom::kernels {
namespace {

// What the two arithmetics do to a value before it is multiplied.
struct KeepF32 {
  static Vec rounded(Vec x) { return x; }
};
struct RoundBf16 {
  static Vec rounded(Vec x) { return round_bf16(x); }
};

// Packed rows of x are F32, padded with zeros.
inline size_t packed_f32_bytes(int64_t m, int64_t k) {
  return static_cast<size_t>(m * round_up(k, kPackK)) * sizeof(float);
}

template <typename Arithmetic>
void pack_f32(const PackArgs& a) noexcept {
  const int64_t stride = round_up(a.k, kPackK);
  for (int64_t i = 0; i < a.m; ++i) {
    const float* x = a.x + (a.rows == nullptr ? i : a.rows[i]) * a.x_stride;
    float* to = static_cast<float*>(a.packed) + i * stride + a.k_begin;
    const int64_t n = a.k_end - a.k_begin;
    int64_t k = 0;
    for (; k + kLanes <= n; k += kLanes) store(to + k, Arithmetic::rounded(load(x + k)));
    if (k < n) store(to + k, Arithmetic::rounded(load(x + k, first(n - k))), first(n - k));
    if (a.k_end == a.k) {
      for (k = a.k; k < stride; ++k) to[k - a.k_begin] = 0;
    }
  }
}

template <typename Stored, typename Arithmetic>
struct FmaTile {
#ifdef __AVX512F__
  static constexpr int kRows = 6;
  static constexpr int kFeatures = 4;
#else
  // A Vec is two of 16 registers.
  static constexpr int kRows = 2;
  static constexpr int kFeatures = 2;
#endif
  static constexpr bool kScaled = Stored::kType == DType::kF8E4M3;
  static constexpr bool kRounded = Stored::kType == DType::kF32 || Stored::kType == DType::kF16;

  const LinearArgs& a;
  int64_t stride = round_up(a.w.cols, kPackK);

  void begin_features(int64_t, int64_t) const {}

  template <int R, int F>
  void run(int64_t row, int64_t feature) const {
    const float* x = static_cast<const float*>(a.packed_x) + row * stride;
    const typename Stored::Value* w[F];
    for (int f = 0; f < F; ++f) w[f] = row_of<Stored>(a.w, feature + f);
    Vec sums[R][F];
    for (int r = 0; r < R; ++r) {
      for (int f = 0; f < F; ++f) sums[r][f] = zero();
    }
    for (int64_t block = 0; block * kScaleBlock < a.w.cols; ++block) {
      const int64_t begin = block * kScaleBlock;
      const int64_t end = begin + kScaleBlock < a.w.cols ? begin + kScaleBlock : a.w.cols;
      Vec scales[F];
      if constexpr (kScaled) {
        for (int f = 0; f < F; ++f) scales[f] = broadcast(a.w.scale(feature + f, block));
      }
      const auto step = [&](int64_t k, const auto& widened) {
        Vec weights[F];
#pragma GCC unroll 4
        for (int f = 0; f < F; ++f) {
          weights[f] = widened(w[f] + k);
          if constexpr (kScaled) weights[f] = weights[f] * scales[f];
          if constexpr (kRounded) weights[f] = Arithmetic::rounded(weights[f]);
        }
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          const Vec value = load(x + r * stride + k);
#pragma GCC unroll 4
          for (int f = 0; f < F; ++f) sums[r][f] = fma(value, weights[f], sums[r][f]);
        }
      };
      int64_t k = begin;
      for (; k + kLanes <= end; k += kLanes) step(k, [](const auto* p) { return Stored::widen(p); });
      if (k < end) step(k, [&](const auto* p) { return widen_first<Stored>(p, end - k); });
    }
    for (int r = 0; r < R; ++r) {
      for (int f = 0; f < F; ++f) put(row + r, feature + f, reduce(sums[r][f]));
    }
  }

  void put(int64_t row, int64_t feature, float product) const {
    float& y = a.y[row * a.y_stride + feature - a.n_begin];
    y = a.accumulate ? y + product : product;
  }
};

template <typename Arithmetic>
void linear_fma(const LinearArgs& a) noexcept {
  with_format(a.w.dtype, [&](auto stored) {
    FmaTile<decltype(stored), Arithmetic> tile{a};
    cover(tile, a.m, a.n_begin, a.n_end);
  });
}

// Rows of w one after the other, each times one value of x; a tile of sums stays in registers.
template <typename Stored, typename Arithmetic>
struct TransposedTile {
#ifdef __AVX512F__
  static constexpr int kRows = 4;
  static constexpr int kVecs = 4;
#else
  static constexpr int kRows = 2;
  static constexpr int kVecs = 2;
#endif
  static constexpr bool kScaled = Stored::kType == DType::kF8E4M3;
  static constexpr bool kRounded = Stored::kType == DType::kF32 || Stored::kType == DType::kF16;

  const TransposedLinearArgs& a;

  template <int R>
  void run(int64_t row, int64_t column) const {
    const int64_t left = a.w.cols - column;
    const int64_t vecs = left >= kVecs * kLanes ? kVecs : ceil_div(left, kLanes);
    if (vecs == kVecs && left >= kVecs * kLanes) {
      run_vecs<R, kVecs>(row, column, kLanes);
      return;
    }
    for (int64_t v = 0; v < vecs; ++v) {
      const int64_t at = column + v * kLanes;
      run_vecs<R, 1>(row, at, a.w.cols - at < kLanes ? a.w.cols - at : kLanes);
    }
  }

 private:
  // `lanes` of the last vector count.
  template <int R, int V>
  void run_vecs(int64_t row, int64_t column, int64_t lanes) const {
    Vec sums[R][V];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) sums[r][v] = zero();
    }
    for (int64_t j = 0; j < a.row_end - a.row_begin; ++j) {
      const auto* w = row_of<Stored>(a.w, a.row_begin + j) + column;
      Vec weights[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        weights[v] = lanes == kLanes ? Stored::widen(w + v * kLanes) : widen_first<Stored>(w + v * kLanes, lanes);
        if constexpr (kRounded) weights[v] = Arithmetic::rounded(weights[v]);
        if constexpr (kScaled) {
          // Columns begin at multiples of 16, so a vector lies within one block.
          weights[v] = weights[v] * broadcast(a.w.scale(a.row_begin + j, (column + v * kLanes) / kScaleBlock));
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const Vec value = Arithmetic::rounded(broadcast(a.x[(row + r) * a.x_stride + j]));
        for (int v = 0; v < V; ++v) sums[r][v] = fma(value, weights[v], sums[r][v]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) {
        float* to = a.y + (row + r) * a.y_stride + column + v * kLanes;
        lanes == kLanes ? store(to, sums[r][v]) : store(to, sums[r][v], first(lanes));
      }
    }
  }
};

template <typename Arithmetic>
void transposed_linear_fma(const TransposedLinearArgs& a) noexcept {
  with_format(a.w.dtype, [&](auto stored) {
    using Tile = TransposedTile<decltype(stored), Arithmetic>;
    const Tile tile{a};
    for (int64_t column = 0; column < a.w.cols; column += Tile::kVecs * kLanes) {
      int64_t row = 0;
      for (; row + Tile::kRows <= a.m; row += Tile::kRows) tile.template run<Tile::kRows>(row, column);
      for (; row < a.m; ++row) tile.template run<1>(row, column);
    }
  });
}

template <typename Arithmetic>
constexpr MatmulKernels fma_matmul() {
  return {packed_f32_bytes, pack_f32<Arithmetic>, linear_fma<Arithmetic>, transposed_linear_fma<Arithmetic>};
}

}  // namespace
}  // namespace fathom::kernels
