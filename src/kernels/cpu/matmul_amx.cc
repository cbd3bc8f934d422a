// Products by AMX tiles. A tile of w (16 features x 32 columns) is read as published, straight from the rows of the
// checkpoint when they are BF16; x is packed in pairs of columns, as the instruction wants its second operand. The
// products of a tile come out feature by feature and are turned on their way to y. One token or many: the same sums in
// the same order.

#include <bit>
#include <cstring>

#include "kernels/cpu/amx-inl.h"
#include "kernels/cpu/matmul_amx_few-inl.h"
#include "kernels/cpu/matmul_bf16-inl.h"
#include "kernels/cpu/matmul_fma-inl.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

// Packed x: blocks of up to 16 rows, each [k / 2][rows of the block][2], k padded to whole chunks.
size_t packed_pairs_bytes(int64_t m, int64_t k) { return static_cast<size_t>(m * round_up(k, kPackK)) * 2; }

inline uint16_t* packed_block(void* packed, int64_t block, int64_t k) {
  return static_cast<uint16_t*>(packed) + block * kTile * round_up(k, kPackK);
}

void pack_pairs(const PackArgs& a) noexcept {
  for (int64_t first_row = 0; first_row < a.m; first_row += kTile) {
    const int64_t rows = a.m - first_row < kTile ? a.m - first_row : kTile;
    uint16_t* block = packed_block(a.packed, first_row / kTile, a.k);
    for (int64_t k = a.k_begin; k < a.k_end; k += kChunk) {
      const int64_t count = a.k_end - k < kChunk ? a.k_end - k : kChunk;
      __m512i pairs[kTile];
      for (int64_t i = 0; i < kTile; ++i) {
        if (i >= rows) {
          pairs[i] = _mm512_setzero_si512();
          continue;
        }
        const int64_t row = first_row + i;
        const float* x = a.x + (a.rows == nullptr ? row : a.rows[row]) * a.x_stride + k - a.k_begin;
        const Mask low = first(count < kLanes ? count : kLanes);
        const Mask high = first(count < kLanes ? 0 : count - kLanes);
        pairs[i] = to_bf16(load(x, low), load(x + (count < kLanes ? 0 : kLanes), high));
      }
      uint16_t* to = block + k * rows;
      if (rows == 1) {
        _mm512_storeu_si512(to, pairs[0]);
        continue;
      }
      transpose(pairs);
      const __mmask16 valid = first(rows);
      for (int64_t p = 0; p < kTile; ++p) _mm512_mask_storeu_epi32(to + p * rows * 2, valid, pairs[p]);
    }
  }
}

// Where the products of kF x kM tiles are summed when scales come between.
struct Totals {
  alignas(64) float values[2][2][kTile][kTile];
};

// One linear() call over weights of one format.
//
// BF16 is read where it lies; other formats pass through rows of BF16 in the second level of cache. While the tiles
// multiply one group of features, memory is asked for the next. The two are kept apart: a tile cannot be loaded past
// stores that are still on their way to lines of the same offset in a page.
template <typename Stored>
class AmxLinear {
 public:
  explicit AmxLinear(const LinearArgs& a) : a_(a), chunks_(ceil_div(a.w.cols, kChunk)) {
    converted_ = static_cast<uint16_t*>(kernel_scratch(static_cast<size_t>(kGroup * converted_stride()) * 2));
  }

  void run() {
    for (int64_t n = a_.n_begin; n < a_.n_end; n += kGroup) {
      if (in_place(n) < chunks_) convert(n);
      for (int64_t row = 0; row < a_.m; row += 2 * kTile) {
        const int64_t rows = a_.m - row < 2 * kTile ? a_.m - row : 2 * kTile;
        const bool is_one_tile = features_of(n) <= kTile;
        if (rows > kTile) {
          configure(kTile, static_cast<int>(rows - kTile));
          is_one_tile ? tiles<1, 2>(n, row) : tiles<2, 2>(n, row);
        } else {
          configure(static_cast<int>(rows), static_cast<int>(rows));
          is_one_tile ? tiles<1, 1>(n, row) : tiles<2, 1>(n, row);
        }
      }
    }
    release_tiles();
  }

 private:
  static constexpr bool kScaled = Stored::kType == DType::kF8E4M3;
  static constexpr bool kIsBf16 = Stored::kType == DType::kBF16;
  static constexpr int64_t kGroup = 2 * kTile;  // features that are worked on at a time

  // Of the group that begins at feature n; none past the end.
  int64_t features_of(int64_t n) const {
    const int64_t left = a_.n_end - n;
    return left < 0 ? 0 : left < kGroup ? left : kGroup;
  }

  // Chunks of the group's rows that are read where they lie: whole ones, if all rows of its tiles are wanted.
  int64_t in_place(int64_t n) const { return kIsBf16 && features_of(n) % kTile == 0 ? a_.w.cols / kChunk : 0; }

  void configure(int first_width, int second_width) {
    if (first_width == widths_[0] && second_width == widths_[1]) return;
    widths_[0] = first_width;
    widths_[1] = second_width;
    TileShapes shapes;
    for (int f = 0; f < 2; ++f) {
      shapes.set(f * 2, kTile, first_width * 4);
      shapes.set(f * 2 + 1, kTile, second_width * 4);
      shapes.set(4 + f, kTile, 64);
    }
    shapes.set(6, kTile, first_width * 4);
    shapes.set(7, kTile, second_width * 4);
    shapes.load();
  }

  // Rows lie a line further apart than they are long, or all rows of a tile would compete for one set of the cache.
  int64_t converted_stride() const { return (chunks_ + 1) * kChunk; }

  // Turns what is not read in place into BF16. Rows of a tile that are not wanted stay what they are: no value of
  // another row depends on them.
  void convert(int64_t n) const {
    const int64_t k = in_place(n) * kChunk;
    const auto of_row = a_.w.cols * static_cast<int64_t>(sizeof(typename Stored::Value));
    const char* ahead = bytes_of(n + kGroup < a_.n_end ? n + kGroup : n);
    for (int64_t f = 0; f < features_of(n); ++f) {
      chunks_of_row<Stored>(row_of<Stored>(a_.w, n + f), k, a_.w.cols - k, converted_ + f * converted_stride() + k,
                            ahead + f * of_row / 2);
    }
  }

  // Asks memory for a part of the group at n, beside chunk c of the one before it. The first half of E4M3 was asked for
  // during that one's conversion.
  void fetch(int64_t n, int64_t c) const {
    if (n >= a_.n_end) return;
    constexpr auto kBytes = static_cast<int64_t>(kGroup * kChunk * sizeof(typename Stored::Value)) / (kScaled ? 2 : 1);
    const char* at = bytes_of(n) + (kScaled ? chunks_ * kBytes : 0) + c * kBytes;
    for (int64_t i = 0; i < kBytes; i += 64) _mm_prefetch(at + i, _MM_HINT_T1);
  }

  const char* bytes_of(int64_t n) const { return reinterpret_cast<const char*>(row_of<Stored>(a_.w, n)); }

  // Products of F tiles of features and M blocks of rows.
  template <int F, int M>
  void tiles(int64_t n, int64_t row) {
    const int64_t features = features_of(n);
    const int64_t read_in_place = in_place(n);
    const uint16_t* x[2] = {packed_block(const_cast<void*>(a_.packed_x), row / kTile, a_.w.cols),
                            packed_block(const_cast<void*>(a_.packed_x), row / kTile + M - 1, a_.w.cols)};
    Totals totals;
    if constexpr (kScaled) std::memset(&totals, 0, sizeof totals);
    zero_sums<F, M>();
    for (int64_t begin = 0; begin < chunks_; begin += kBlockChunks) {
      const int64_t end = begin + kBlockChunks < chunks_ ? begin + kBlockChunks : chunks_;
      for (int64_t c = begin; c < end; ++c) {
        step<F, M>(n, c, c < read_in_place, x);
        if (row == 0) fetch(n + kGroup, c);
      }
      if constexpr (kScaled) {
        add_block<F, M>(totals, n, features, begin / kBlockChunks);
        zero_sums<F, M>();
      }
    }
    if constexpr (!kScaled) store_sums<F, M>(totals);
    for (int f = 0; f < F; ++f) {
      for (int m = 0; m < M; ++m) {
        const int64_t of_tile = features - f * kTile < kTile ? features - f * kTile : kTile;
        put(totals.values[f][m], n + f * kTile, of_tile, row + m * kTile, width(m));
      }
    }
  }

  int width(int m) const { return widths_[m]; }

  template <int F, int M>
  void step(int64_t n, int64_t c, bool is_in_place, const uint16_t* const (&x)[2]) const {
    const int64_t stride = (is_in_place ? a_.w.cols : converted_stride()) * 2;
    const char* tile = is_in_place ? static_cast<const char*>(a_.w.data) + (n * a_.w.cols + c * kChunk) * 2
                                   : reinterpret_cast<const char*>(converted_ + c * kChunk);
    _tile_loadd(4, tile, stride);
    if constexpr (F > 1) _tile_loadd(5, tile + kTile * stride, stride);
    _tile_loadd(6, x[0] + c * kChunk * width(0), width(0) * 4);
    if constexpr (M > 1) _tile_loadd(7, x[1] + c * kChunk * width(1), width(1) * 4);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (M > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (F > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (F > 1 && M > 1) _tile_dpbf16ps(3, 5, 7);
  }

  template <int F, int M>
  static void zero_sums() {
    _tile_zero(0);
    if constexpr (M > 1) _tile_zero(1);
    if constexpr (F > 1) _tile_zero(2);
    if constexpr (F > 1 && M > 1) _tile_zero(3);
  }

  // A tile of one row is stored without gaps, all others 16 values apart.
  int64_t sum_stride(int m) const { return width(m) == 1 ? 4 : 64; }

  template <int F, int M>
  void store_sums(Totals& to) const {
    _tile_stored(0, to.values[0][0], sum_stride(0));
    if constexpr (M > 1) _tile_stored(1, to.values[0][1], sum_stride(1));
    if constexpr (F > 1) _tile_stored(2, to.values[1][0], sum_stride(0));
    if constexpr (F > 1 && M > 1) _tile_stored(3, to.values[1][1], sum_stride(1));
  }

  // totals += sums of this block of columns times the scales of the features.
  template <int F, int M>
  void add_block(Totals& totals, int64_t n, int64_t features, int64_t block) const {
    Totals sums;
    store_sums<F, M>(sums);
    for (int f = 0; f < F; ++f) {
      const int64_t of_tile = features - f * kTile < kTile ? features - f * kTile : kTile;
      alignas(64) float scales[kTile] = {};
      for (int64_t i = 0; i < of_tile; ++i) scales[i] = a_.w.scale(n + f * kTile + i, block);
      for (int m = 0; m < M; ++m) {
        if (width(m) == 1) {
          float* total = totals.values[f][m][0];
          store(total, fma(load(sums.values[f][m][0]), load(scales), load(total)));
          continue;
        }
        for (int64_t i = 0; i < kTile; ++i) {
          float* total = totals.values[f][m][i];
          store(total, fma(load(sums.values[f][m][i]), broadcast(scales[i]), load(total)));
        }
      }
    }
  }

  // values: [feature][row], or [feature] of a single row.
  void put(float (&values)[kTile][kTile], int64_t n, int64_t features, int64_t row, int64_t rows) const {
    const Mask valid = first(features);
    __m512i lines[kTile];
    for (int64_t i = 0; i < (rows == 1 ? 1 : kTile); ++i) lines[i] = _mm512_load_si512(values[i]);
    if (rows > 1) transpose(lines);
    for (int64_t r = 0; r < rows; ++r) {
      float* y = a_.y + (row + r) * a_.y_stride + n - a_.n_begin;
      const Vec product = {_mm512_castsi512_ps(lines[r])};
      store(y, a_.accumulate ? load(y, valid) + product : product, valid);
    }
  }

  const LinearArgs& a_;
  int64_t chunks_;       // of a row
  uint16_t* converted_;  // [32][converted_stride()]
  int widths_[2] = {0, 0};
};

// Not inlined: arithmetic must not move out of the reach of FlushedSubnormals.
[[gnu::noinline]] void linear_tiles(const LinearArgs& a) noexcept {
  with_format(a.w.dtype, [&](auto stored) { AmxLinear<decltype(stored)>(a).run(); });
}

void linear_amx(const LinearArgs& a) noexcept {
  const FlushedSubnormals flushed;
  const bool is_few = a.w.dtype == DType::kF8E4M3 && a.m >= 1 && a.m <= kFewRows;
  is_few ? linear_few(a) : linear_tiles(a);
}

}  // namespace

void install_matmul_amx(KernelTable& table) {
  f8_table();  // made now: subnormal numbers must not be flushed on the way into it
  table.matmul[static_cast<int>(Compute::kBF16)] = {packed_pairs_bytes, pack_pairs, linear_amx,
                                                    transposed_linear_fma<RoundBf16>};
}

}  // namespace fathom::kernels
