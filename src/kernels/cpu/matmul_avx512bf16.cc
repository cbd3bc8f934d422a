// Products by VDPBF16PS: each lane of an accumulator takes two neighbouring columns of every 32. BF16 weights are read
// where they lie; other formats are first turned into BF16, a few rows at a time, into memory that stays in cache.

#include "kernels/cpu/matmul_bf16-inl.h"
#include "kernels/cpu/matmul_fma-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

size_t packed_bf16_bytes(int64_t m, int64_t k) { return static_cast<size_t>(m * round_up(k, kPackK)) * 2; }

void pack_bf16(const PackArgs& a) noexcept {
  const int64_t stride = round_up(a.k, kPackK);
  for (int64_t i = 0; i < a.m; ++i) {
    const float* x = a.x + (a.rows == nullptr ? i : a.rows[i]) * a.x_stride;
    uint16_t* to = static_cast<uint16_t*>(a.packed) + i * stride + a.k_begin;
    chunks_of_row<StoredF32>(x, 0, a.k_end - a.k_begin, to);
  }
}

inline Vec dot_pairs(Vec sum, const uint16_t* x, __m512i w) {
  return {_mm512_dpbf16_ps(sum.v, std::bit_cast<__m512bh>(_mm512_loadu_si512(x)), std::bit_cast<__m512bh>(w))};
}

// kScaled: sums of 128 columns are multiplied by the scale of their block. With few rows of x E4M3 is decoded into
// registers and never stored.
template <typename Stored>
struct Bf16Tile {
  static constexpr bool kScaled = Stored::kType == DType::kF8E4M3;
  static constexpr int kRows = kScaled ? 3 : 6;
  static constexpr int kFeatures = 4;
  static constexpr int64_t kDirectRows = 2;

  const LinearArgs& a;
  int64_t stride = round_up(a.w.cols, kPackK);
  bool in_place = Stored::kType == DType::kBF16 && a.w.cols % kChunk == 0;
  uint16_t* converted =
      in_place ? nullptr : static_cast<uint16_t*>(kernel_scratch(static_cast<size_t>(kFeatures * stride) * 2));

  bool is_direct = kScaled && a.m <= kDirectRows;  // decoded into registers

  void begin_features(int64_t feature, int64_t count) const {
    if (in_place || is_direct) return;
    for (int64_t f = 0; f < count; ++f) {
      chunks_of_row<Stored>(row_of<Stored>(a.w, feature + f), 0, a.w.cols, converted + f * stride);
    }
  }

  template <int R, int F>
  void run(int64_t row, int64_t feature) const {
    const uint16_t* x = static_cast<const uint16_t*>(a.packed_x) + row * stride;
    const uint16_t* w = in_place ? static_cast<const uint16_t*>(a.w.row(feature)) : converted;
    Vec sums[R][F];
    for (int r = 0; r < R; ++r) {
      for (int f = 0; f < F; ++f) sums[r][f] = zero();
    }
    if constexpr (kScaled) {
      for (int64_t block = 0; block * kScaleBlock < stride; ++block) {
        const int64_t begin = block * kScaleBlock;
        Vec of_block[R][F];
        for (int r = 0; r < R; ++r) {
          for (int f = 0; f < F; ++f) of_block[r][f] = zero();
        }
        const int64_t end = begin + kScaleBlock < stride ? begin + kScaleBlock : stride;
        if constexpr (R <= kDirectRows) {
          if (is_direct) {
            add_decoded<R, F>(x, feature, begin, end, of_block);
          } else {
            add_products<R, F>(x, w, begin, end, of_block);
          }
        } else {
          add_products<R, F>(x, w, begin, end, of_block);
        }
        for (int f = 0; f < F; ++f) {
          const Vec scale = broadcast(a.w.scale(feature + f, block));
          for (int r = 0; r < R; ++r) sums[r][f] = fma(of_block[r][f], scale, sums[r][f]);
        }
      }
    } else {
      add_products<R, F>(x, w, 0, stride, sums);
    }
    for (int r = 0; r < R; ++r) {
      for (int f = 0; f < F; ++f) {
        float& y = a.y[(row + r) * a.y_stride + feature + f - a.n_begin];
        const float product = reduce(sums[r][f]);
        y = a.accumulate ? y + product : product;
      }
    }
  }

  // The same products in the same order, from E4M3.
  template <int R, int F>
  void add_decoded(const uint16_t* x, int64_t feature, int64_t begin, int64_t end, Vec (&sums)[R][F]) const {
    for (int64_t k = begin; k < end; k += 2 * kChunk) {
      const int64_t left = a.w.cols - k;
      const __mmask64 valid = left >= 2 * kChunk ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
#pragma GCC unroll 4
      for (int f = 0; f < F; ++f) {
        const auto* w = reinterpret_cast<const char*>(row_of<Stored>(a.w, feature + f) + k);
        _mm_prefetch(w + F * a.w.cols, _MM_HINT_T0);
        __m512i low;
        __m512i high;
        f8_to_bf16(_mm512_maskz_loadu_epi8(valid, w), low, high);
        for (int r = 0; r < R; ++r) sums[r][f] = dot_pairs(sums[r][f], x + r * stride + k, low);
        if (k + kChunk < end) {
          for (int r = 0; r < R; ++r) sums[r][f] = dot_pairs(sums[r][f], x + r * stride + k + kChunk, high);
        }
      }
    }
  }

  template <int R, int F>
  void add_products(const uint16_t* x, const uint16_t* w, int64_t begin, int64_t end, Vec (&sums)[R][F]) const {
    for (int64_t k = begin; k < end; k += kChunk) {
      __m512i weights[F];
#pragma GCC unroll 4
      for (int f = 0; f < F; ++f) weights[f] = _mm512_loadu_si512(w + f * stride + k);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int f = 0; f < F; ++f) sums[r][f] = dot_pairs(sums[r][f], x + r * stride + k, weights[f]);
      }
    }
  }
};

void linear_bf16(const LinearArgs& a) noexcept {
  with_format(a.w.dtype, [&](auto stored) {
    Bf16Tile<decltype(stored)> tile{a};
    cover(tile, a.m, a.n_begin, a.n_end);
  });
}

}  // namespace

void install_matmul_avx512bf16(KernelTable& table) {
  table.matmul[static_cast<int>(Compute::kBF16)] = {packed_bf16_bytes, pack_bf16, linear_bf16,
                                                    transposed_linear_fma<RoundBf16>};
}

}  // namespace fathom::kernels
