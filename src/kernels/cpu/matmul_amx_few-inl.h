#pragma once
// Products of few rows with E4M3 weights: bit for bit what the tile instruction gives, without tiles.
//
// A tile can only be loaded from memory, so E4M3 would be stored as BF16 and read again, three bytes moved for each
// that comes from the checkpoint. Here it stays in registers. TDPBF16PS on 32 columns is, for each product (Intel SDM):
//   even = odd = 0;  for each pair p: even += w[2p] x[2p], odd += w[2p + 1] x[2p + 1];  sum += even + odd
// in F32, rounded to nearest, subnormal results flushed to zero. BF16 products are exact in F32, so FMA does the same.
// matmul_test holds one against the other.

#include "kernels/cpu/matmul_bf16-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/matmul.h"

namespace fathom::kernels {
namespace {

// More rows than these are cheaper by tiles.
constexpr int64_t kFewRows = 4;

// Features that are worked on at a time: one in each lane.
constexpr int64_t kFewFeatures = kLanes;

// Subnormal results and operands count as zero while it lives, as the tile instruction has it; the sums outside of it
// go the same way.
class FlushedSubnormals {
 public:
  FlushedSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushedSubnormals() { _mm_setcsr(before_); }
  FlushedSubnormals(const FlushedSubnormals&) = delete;
  FlushedSubnormals& operator=(const FlushedSubnormals&) = delete;

 private:
  unsigned before_;
};

// 16 columns of 16 rows, `stride` bytes apart, as BF16: pairs[p] holds columns 2p and 2p + 1 of row i in its lane i.
inline void pairs_of_columns(const uint8_t* w, int64_t stride, __m512i (&pairs)[8]) {
  __m512i rows[4];  // quarter q: row 4 q + i
  for (int i = 0; i < 4; ++i) {
    const auto row = [&](int q) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + (4 * q + i) * stride)); };
    rows[i] = _mm512_zextsi128_si512(row(0));
    rows[i] = _mm512_inserti32x4(rows[i], row(1), 1);
    rows[i] = _mm512_inserti32x4(rows[i], row(2), 2);
    rows[i] = _mm512_inserti32x4(rows[i], row(3), 3);
  }
  const __m512i even_low = _mm512_unpacklo_epi16(rows[0], rows[2]);
  const __m512i even_high = _mm512_unpackhi_epi16(rows[0], rows[2]);
  const __m512i odd_low = _mm512_unpacklo_epi16(rows[1], rows[3]);
  const __m512i odd_high = _mm512_unpackhi_epi16(rows[1], rows[3]);
  f8_quarters_to_bf16(_mm512_unpacklo_epi16(even_low, odd_low), pairs[0], pairs[1]);
  f8_quarters_to_bf16(_mm512_unpackhi_epi16(even_low, odd_low), pairs[2], pairs[3]);
  f8_quarters_to_bf16(_mm512_unpacklo_epi16(even_high, odd_high), pairs[4], pairs[5]);
  f8_quarters_to_bf16(_mm512_unpackhi_epi16(even_high, odd_high), pairs[6], pairs[7]);
}

// R rows of x: [R][padded k] in F32.
template <int R>
class FewLinear {
 public:
  FewLinear(const LinearArgs& a, float* x) : a_(a), x_stride_(round_up(a.w.cols, kChunk)), x_(x) {
    // Packed as pairs of columns of all rows in turn.
    const auto* packed = static_cast<const uint16_t*>(a.packed_x);
    for (int64_t k = 0; k < x_stride_; ++k) {
      for (int r = 0; r < R; ++r) x[r * x_stride_ + k] = bf16_to_f32(packed[(k / 2 * R + r) * 2 + k % 2]);
    }
  }

  void run() const {
    for (int64_t n = a_.n_begin; n < a_.n_end; n += kFewFeatures) {
      a_.n_end - n < kFewFeatures ? last_features(n, a_.n_end - n) : features(row_of<StoredF8>(a_.w, n), n, kLanes);
    }
  }

 private:
  // Fewer than 16: copied, with zeros for those that are missing.
  void last_features(int64_t n, int64_t count) const {
    Vec totals[R];
    for (int r = 0; r < R; ++r) totals[r] = zero();
    for (int64_t k = 0; k < a_.w.cols; k += kScaleBlock) {
      const int64_t columns = a_.w.cols - k < kScaleBlock ? a_.w.cols - k : kScaleBlock;
      add_copied(n, count, k, columns, totals);
    }
    put(totals, n, count);
  }

  void features(const uint8_t* w, int64_t n, int64_t count) const {
    Vec totals[R];
    for (int r = 0; r < R; ++r) totals[r] = zero();
    int64_t k = 0;
    for (; k + kScaleBlock <= a_.w.cols; k += kScaleBlock)
      add_block(w + k, a_.w.cols, n, count, k, kScaleBlock, totals);
    if (k < a_.w.cols) add_copied(n, count, k, a_.w.cols - k, totals);
    put(totals, n, count);
  }

  void add_copied(int64_t n, int64_t count, int64_t k, int64_t columns, Vec (&totals)[R]) const {
    alignas(64) uint8_t copy[kFewFeatures][kScaleBlock] = {};
    for (int64_t f = 0; f < count; ++f) {
      __builtin_memcpy(copy[f], row_of<StoredF8>(a_.w, n + f) + k, static_cast<size_t>(columns));
    }
    add_block(copy[0], kScaleBlock, n, count, k, columns, totals);
  }

  // totals += scale * products of one block of columns.
  void add_block(const uint8_t* w, int64_t stride, int64_t n, int64_t count, int64_t k, int64_t columns,
                 Vec (&totals)[R]) const {
    Vec sums[R];
    for (int r = 0; r < R; ++r) sums[r] = zero();
    for (int64_t c = 0; c < columns; c += kChunk) {
      Vec even[R];
      Vec odd[R];
      for (int r = 0; r < R; ++r) even[r] = odd[r] = zero();
      for (int half = 0; half < 2; ++half) {
        const int64_t begin = c + half * kChunk / 2;
        fetch(w + begin, stride, begin / kLanes % 4);
        __m512i pairs[8];
        pairs_of_columns(w + begin, stride, pairs);
        const float* x = x_ + k + begin;
#pragma GCC unroll 8
        for (int p = 0; p < 8; ++p) {
          const Vec low = {_mm512_castsi512_ps(_mm512_slli_epi32(pairs[p], 16))};
          const Vec high = {_mm512_castsi512_ps(_mm512_and_si512(pairs[p], _mm512_set1_epi32(-0x10000)))};
          for (int r = 0; r < R; ++r) {
            even[r] = fma(low, broadcast(x[r * x_stride_ + 2 * p]), even[r]);
            odd[r] = fma(high, broadcast(x[r * x_stride_ + 2 * p + 1]), odd[r]);
          }
        }
      }
      for (int r = 0; r < R; ++r) sums[r] = sums[r] + (even[r] + odd[r]);
    }
    const Vec scale = scales(n, count, k / kScaleBlock);
    for (int r = 0; r < R; ++r) totals[r] = fma(sums[r], scale, totals[r]);
  }

  // Memory is asked for the same columns of the next 16 rows: a line of four of them beside each 16 columns, w.
  void fetch(const uint8_t* w, int64_t stride, int64_t of_line) const {
    const char* line = reinterpret_cast<const char*>(w) - of_line * kLanes;
    for (int64_t i = 0; i < 4; ++i) _mm_prefetch(line + (kFewFeatures + 4 * of_line + i) * stride, _MM_HINT_T0);
  }

  Vec scales(int64_t n, int64_t count, int64_t block) const {
    if (n / kScaleBlock == (n + count - 1) / kScaleBlock) return broadcast(a_.w.scale(n, block));
    alignas(64) float each[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) each[i] = a_.w.scale(n + i, block);
    return load(each);
  }

  void put(const Vec (&totals)[R], int64_t n, int64_t count) const {
    const Mask valid = first(count);
    for (int r = 0; r < R; ++r) {
      float* y = a_.y + r * a_.y_stride + n - a_.n_begin;
      store(y, a_.accumulate ? load(y, valid) + totals[r] : totals[r], valid);
    }
  }

  const LinearArgs& a_;
  int64_t x_stride_;
  const float* x_;
};

// Not inlined, as linear_tiles.
template <int R>
[[gnu::noinline]] void run_few(const LinearArgs& a, float* x) noexcept {
  FewLinear<R>(a, x).run();
}

// m in [1, kFewRows].
inline void linear_few(const LinearArgs& a) noexcept {
  auto* x = static_cast<float*>(kernel_scratch(static_cast<size_t>(a.m * round_up(a.w.cols, kChunk)) * sizeof(float)));
  switch (a.m) {
    case 1:
      return run_few<1>(a, x);
    case 2:
      return run_few<2>(a, x);
    case 3:
      return run_few<3>(a, x);
    default:
      return run_few<4>(a, x);
  }
}

}  // namespace
}  // namespace fathom::kernels
