#pragma once
// The loop around the attention kernel: queries against pages of keys, part by part, merged in order.

#include <span>
#include <vector>

#include "ops/context.h"

namespace fathom::ops {

// Query rows of one sequence against its keys, whose first `value_dim` values are also their value.
struct AttendJob {
  const float* q = nullptr;  // [rows, key_dim], row stride q_stride, softmax scale in it
  int64_t q_stride = 0;
  int64_t rows = 0;
  int64_t value_dim = 0;
  int64_t key_dim = 0;
  const void* const* pages = nullptr;  // each [64, key_dim], F32 or BF16 by the context's arithmetic
  const int64_t* limits = nullptr;     // [rows] a row sees the keys below its limit, which is at least 1
  float* out = nullptr;                // [rows, value_dim], row stride out_stride
  int64_t out_stride = 0;
};

// out = softmax(q k^T) v for every job. The members take blocks of rows or, when there are few (decode with a long
// context), parts of keys; a row's bits are the same either way.
void attend(const Context& ctx, std::span<const AttendJob> jobs);

}  // namespace fathom::ops
