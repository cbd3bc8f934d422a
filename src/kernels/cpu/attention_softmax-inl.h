#pragma once
// What all latent attention kernels share: query rows stand in blocks of 16, one row a lane, and scores lie as
// [key][16 rows], so that a softmax needs no sums across lanes and a row never meets another.

#include "kernels/attention.h"
#include "kernels/cpu/rowwise_exp-inl.h"
#include "kernels/cpu/rowwise_vec-inl.h"

namespace fathom::kernels {
namespace {

// Keys are taken in groups of this many, which also is the depth of one BF16 tile product.
constexpr int64_t kKeyGroup = 32;
// Scores of a block of 16 rows.
constexpr int64_t kBlockScores = kAttentionPart * kLanes;

struct Part {
  int64_t keys = 0;                  // that some row sees; no later key is used
  int64_t padded_keys = 0;           // whole groups
  int blocks = 0;                    // of 16 rows
  float limits[kMaxQueryRows] = {};  // how many keys of this part a row sees; padding rows see none
};

inline Part part_of(const LatentAttentionArgs& a) {
  Part part;
  for (int row = 0; row < a.rows; ++row) {
    const int64_t limit = (a.limits[row] < a.key_end ? a.limits[row] : a.key_end) - a.key_begin;
    if (limit <= 0) continue;
    part.limits[row] = static_cast<float>(limit);
    if (limit > part.keys) part.keys = limit;
  }
  part.padded_keys = (part.keys + kKeyGroup - 1) / kKeyGroup * kKeyGroup;
  part.blocks = (a.rows + kLanes - 1) / kLanes;
  return part;
}

inline int64_t rows_in_block(const LatentAttentionArgs& a, int block) {
  const int64_t left = a.rows - int64_t{block} * kLanes;
  return left < kLanes ? left : kLanes;
}

// Scores of a block become weights exp(score - max), rounded by `rounded`; exactly 0 for keys that a row does not see,
// whatever their score. Sums are of the weights before rounding, over four interleaved runs of keys.
template <Vec (*rounded)(Vec)>
void softmax(const LatentAttentionArgs& a, const Part& part, int block, float* scores) {
  constexpr int kRuns = 4;
  const Vec lowest = broadcast(-__builtin_inff());
  const Vec limit = load(part.limits + block * kLanes);
  Vec tops[kRuns] = {lowest, lowest, lowest, lowest};
  for (int64_t key = 0; key < part.padded_keys; key += kRuns) {
    for (int run = 0; run < kRuns; ++run) {
      const Mask seen = less(broadcast(static_cast<float>(key + run)), limit);
      tops[run] = select(seen, max(tops[run], load(scores + (key + run) * kLanes)), tops[run]);
    }
  }
  const Vec top = max(max(tops[0], tops[1]), max(tops[2], tops[3]));
  // Rows that see nothing: any finite number will do.
  const Vec reference = select(less(lowest, top), top, zero());
  Vec sums[kRuns] = {zero(), zero(), zero(), zero()};
  for (int64_t key = 0; key < part.padded_keys; key += kRuns) {
    for (int run = 0; run < kRuns; ++run) {
      float* at = scores + (key + run) * kLanes;
      const Mask seen = less(broadcast(static_cast<float>(key + run)), limit);
      const Vec below = load(at) - reference;
      // Weights below the normal numbers would slow down all that touch them, and change nothing beside the 1 of the
      // max.
      Vec weight = select(less(below, broadcast(-87.0F)), zero(), exp(below));
      weight = select(seen, weight, zero());
      sums[run] = sums[run] + weight;
      store(at, rounded(weight));
    }
  }
  const Mask rows = first(rows_in_block(a, block));
  store(a.max + block * kLanes, top, rows);
  store(a.sum + block * kLanes, (sums[0] + sums[1]) + (sums[2] + sums[3]), rows);
}

// Writes one row's sums for 16 columns from `column` on. Adding zero turns -0 into +0, which alone could tell how many
// unseen keys were added.
inline void store_out(const LatentAttentionArgs& a, int64_t row, int64_t column, Vec sums) {
  float* to = a.out + row * a.latent + column;
  const int64_t left = a.latent - column;
  sums = sums + zero();
  if (left >= kLanes) {
    store(to, sums);
  } else if (left > 0) {
    store(to, sums, first(left));
  }
}

}  // namespace
}  // namespace fathom::kernels
