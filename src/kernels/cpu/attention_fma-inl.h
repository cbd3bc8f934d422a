#pragma once
// Latent attention with F32 multiply-adds, over F32 pages, or over BF16 pages that are widened piece by piece.
//
// Scores: a chunk of keys at a time, query values q[dim][16 rows] times one key value broadcast. Values: a slab of
// columns of all keys is copied where it stays in L1, then serves all rows; each key's weight is broadcast.

#include "kernels/cpu/attention_softmax-inl.h"
#include "kernels/cpu/scratch.h"

namespace fathom::kernels {
namespace {

constexpr int64_t kChunkKeys = 16;
#ifdef __AVX512F__
// 16 sums hide the latency of two FMA units of 4 cycles; with operands they fit 32 registers.
constexpr int kKeysAtOnce = 16;
constexpr int kRowsAtOnce = 8;
constexpr int kSlabVecs = 2;
#else
// A Vec is two of 16 registers: 8 sums, 2 operands, 1 broadcast.
constexpr int kKeysAtOnce = 4;
constexpr int kRowsAtOnce = 4;
constexpr int kSlabVecs = 1;
#endif
// 512 keys x 32 (16) columns x 4 bytes: 64 (32) KB.
constexpr int64_t kSlabColumns = kSlabVecs * kLanes;

struct F32Pages {
  using Stored = float;
  static constexpr bool kInPlace = true;
  static Vec rounded(Vec x) { return x; }
  static Vec widened(const float* p) { return load(p); }
};

struct Bf16Pages {
  using Stored = uint16_t;
  static constexpr bool kInPlace = false;
  static Vec rounded(Vec x) { return round_bf16(x); }
  static Vec widened(const uint16_t* p) { return widen_bf16(p); }
};

// `n` values widened; reads and writes no further.
template <typename Pages>
inline void widen_row(const typename Pages::Stored* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, Pages::widened(from + i));
  if (i == n) return;
  typename Pages::Stored rest[kLanes] = {};
  __builtin_memcpy(rest, from + i, static_cast<size_t>(n - i) * sizeof(rest[0]));
  store(to + i, Pages::widened(rest), first(n - i));
}

// q[dim][16 rows] of a block; missing rows are zero.
template <typename Pages>
void pack_queries(const LatentAttentionArgs& a, int block, float* to) {
  const int64_t width = a.latent + a.rope;
  const int64_t rows = rows_in_block(a, block);
  for (int64_t d = 0; d < width; ++d) {
    float column[kLanes] = {};
    for (int64_t row = 0; row < rows; ++row) column[row] = a.q[(block * kLanes + row) * a.q_stride + d];
    store(to + d * kLanes, Pages::rounded(load(column)));
  }
}

// Scores of kKeysAtOnce keys, `stride` apart, for a block.
inline void score_keys(const float* keys, int64_t stride, const float* q, int64_t width, float* scores) {
  Vec sums[kKeysAtOnce];
  for (int k = 0; k < kKeysAtOnce; ++k) sums[k] = zero();
  for (int64_t d = 0; d < width; ++d) {
    const Vec query = load(q + d * kLanes);
    // Four keys from each base pointer: base + {0, 1, 2, 3} strides needs no further registers.
#pragma GCC unroll 4
    for (int four = 0; four < kKeysAtOnce; four += 4) {
      const float* base = keys + four * stride + d;
      sums[four] = fma(broadcast(base[0]), query, sums[four]);
      sums[four + 1] = fma(broadcast(base[stride]), query, sums[four + 1]);
      sums[four + 2] = fma(broadcast(base[2 * stride]), query, sums[four + 2]);
      sums[four + 3] = fma(broadcast(base[3 * stride]), query, sums[four + 3]);
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < kKeysAtOnce; ++k) store(scores + k * kLanes, sums[k]);
}

// Scores of all keys of the part for all blocks.
template <typename Pages>
void score_part(const LatentAttentionArgs& a, const Part& part, const float* q, float* chunk, float* scores) {
  const int64_t width = a.latent + a.rope;
  for (int64_t key = 0; key < part.keys; key += kChunkKeys) {
    const int64_t at = a.key_begin + key;
    const auto* rows = static_cast<const typename Pages::Stored*>(a.pages[at / kPageTokens]) + at % kPageTokens * width;
    const float* keys = chunk;
    if constexpr (Pages::kInPlace) {
      keys = rows;
    } else {
      for (int64_t k = 0; k < kChunkKeys && key + k < part.keys; ++k) {
        widen_row<Pages>(rows + k * width, width, chunk + k * width);
      }
    }
    for (int block = 0; block < part.blocks; ++block) {
      for (int64_t k = 0; k < kChunkKeys; k += kKeysAtOnce) {
        score_keys(keys + k * width, width, q + block * width * kLanes, width,
                   scores + block * kBlockScores + (key + k) * kLanes);
      }
    }
  }
}

// Columns [column, column + kSlabColumns) of the latents of all keys, zero beyond the latent.
template <typename Pages>
void copy_slab(const LatentAttentionArgs& a, const Part& part, int64_t column, float* slab) {
  const int64_t width = a.latent + a.rope;
  const int64_t left = a.latent - column;
  for (int64_t key = 0; key < part.keys; ++key) {
    const int64_t at = a.key_begin + key;
    const auto* from =
        static_cast<const typename Pages::Stored*>(a.pages[at / kPageTokens]) + at % kPageTokens * width + column;
    float* to = slab + key * kSlabColumns;
    if (left >= kSlabColumns) {
      for (int v = 0; v < kSlabVecs; ++v) store(to + v * kLanes, Pages::widened(from + v * kLanes));
    } else {
      for (int v = 0; v < kSlabVecs; ++v) store(to + v * kLanes, zero());
      widen_row<Pages>(from, left, to);
    }
  }
}

// out of kRowsAtOnce rows from `row` on, for the slab's columns. weights: [key][16 rows], at the first of the rows.
inline void value_rows(const LatentAttentionArgs& a, int64_t keys, const float* slab, const float* weights, int64_t row,
                       int64_t column) {
  Vec sums[kRowsAtOnce][kSlabVecs];
  for (int r = 0; r < kRowsAtOnce; ++r) {
    for (int v = 0; v < kSlabVecs; ++v) sums[r][v] = zero();
  }
  for (int64_t key = 0; key < keys; ++key) {
    Vec values[kSlabVecs];
    for (int v = 0; v < kSlabVecs; ++v) values[v] = load(slab + key * kSlabColumns + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRowsAtOnce; ++r) {
      const Vec weight = broadcast(weights[key * kLanes + r]);
      for (int v = 0; v < kSlabVecs; ++v) sums[r][v] = fma(weight, values[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRowsAtOnce; ++r) {
    if (row + r >= a.rows) break;
    for (int v = 0; v < kSlabVecs; ++v) store_out(a, row + r, column + v * kLanes, sums[r][v]);
  }
}

template <typename Pages>
void latent_attention(const LatentAttentionArgs& a) noexcept {
  const Part part = part_of(a);
  const int64_t width = a.latent + a.rope;
  const int64_t q_floats = part.blocks * width * kLanes;
  const int64_t score_floats = part.blocks * kBlockScores;
  const int64_t slab_floats = kAttentionPart * kSlabColumns;
  const int64_t chunk_floats = kChunkKeys * width;
  auto* q = static_cast<float*>(
      kernel_scratch(static_cast<size_t>(q_floats + score_floats + slab_floats + chunk_floats) * sizeof(float)));
  float* scores = q + q_floats;
  float* slab = scores + score_floats;
  float* chunk = slab + slab_floats;

  for (int block = 0; block < part.blocks; ++block) pack_queries<Pages>(a, block, q + block * width * kLanes);
  score_part<Pages>(a, part, q, chunk, scores);
  for (int block = 0; block < part.blocks; ++block) {
    softmax<Pages::rounded>(a, part, block, scores + block * kBlockScores);
  }
  for (int64_t column = 0; column < a.latent; column += kSlabColumns) {
    copy_slab<Pages>(a, part, column, slab);
    for (int64_t row = 0; row < a.rows; row += kRowsAtOnce) {
      value_rows(a, part.keys, slab, scores + row / kLanes * kBlockScores + row % kLanes, row, column);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels
