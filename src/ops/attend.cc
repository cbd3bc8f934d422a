#include "ops/attend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace fathom::ops {
namespace {

using kernels::kAttentionPart;
using kernels::kMaxQueryRows;

// Up to kMaxQueryRows rows of a job.
struct Block {
  const AttendJob* job;
  int64_t row;
  int rows;
  int64_t parts;

  int64_t value_floats() const { return rows * job->value_dim; }
  // Max, sum and values of one part.
  int64_t partial_floats() const { return value_floats() + 2 * rows; }
};

// Results of one part for the rows of a block, as the kernel leaves them.
struct Partial {
  float* max;
  float* sum;
  float* out;

  Partial(const Block& block, float* memory) : max(memory), sum(max + block.rows), out(sum + block.rows) {}
};

void run_part(const Context& ctx, const Block& block, int64_t part, const Partial& to) {
  const AttendJob& job = *block.job;
  const int64_t* limits = job.limits + block.row;
  const int64_t most = *std::max_element(limits, limits + block.rows);
  ctx.kernels.attention[static_cast<int>(ctx.compute)].latent_attention(
      {.q = job.q + block.row * job.q_stride,
       .q_stride = job.q_stride,
       .rows = block.rows,
       .latent = job.value_dim,
       .rope = job.key_dim - job.value_dim,
       .pages = job.pages,
       .key_begin = part * kAttentionPart,
       .key_end = std::min(most, (part + 1) * kAttentionPart),
       .limits = limits,
       .max = to.max,
       .sum = to.sum,
       .out = to.out});
}

// Takes the next part into `into`. A row that saw nothing of it stays bit for bit.
void merge(const Context& ctx, const Block& block, const Partial& into, const Partial& next) {
  const int64_t width = block.job->value_dim;
  for (int r = 0; r < block.rows; ++r) {
    if (next.max[r] == -std::numeric_limits<float>::infinity()) continue;
    const float max = std::max(into.max[r], next.max[r]);
    const float keep = std::exp(into.max[r] - max);
    const float add = std::exp(next.max[r] - max);
    float* out = into.out + r * width;
    for (int64_t i = 0; i < width; ++i) out[i] *= keep;
    ctx.rowwise().add_scaled(next.out + r * width, add, width, out);
    into.sum[r] = into.sum[r] * keep + next.sum[r] * add;
    into.max[r] = max;
  }
}

void finish(const Block& block, const Partial& done) {
  const AttendJob& job = *block.job;
  for (int r = 0; r < block.rows; ++r) {
    const float* from = done.out + r * job.value_dim;
    float* to = job.out + (block.row + r) * job.out_stride;
    const float scale = 1.0F / done.sum[r];
    for (int64_t i = 0; i < job.value_dim; ++i) to[i] = from[i] * scale;
  }
}

std::vector<Block> cut(std::span<const AttendJob> jobs) {
  std::vector<Block> blocks;
  for (const AttendJob& job : jobs) {
    for (int64_t row = 0; row < job.rows; row += kMaxQueryRows) {
      const int rows = static_cast<int>(std::min<int64_t>(kMaxQueryRows, job.rows - row));
      const int64_t most = *std::max_element(job.limits + row, job.limits + row + rows);
      blocks.push_back({&job, row, rows, ceil_div(most, kAttentionPart)});
    }
  }
  return blocks;
}

// Each member takes whole blocks and merges their parts as it goes.
void attend_by_blocks(const Context& ctx, const std::vector<Block>& blocks) {
  int64_t most = 0;
  for (const Block& block : blocks) most = std::max(most, block.partial_floats());
  const Tensor scratch = ctx.empty({ctx.team.size(), 2 * most});
  ctx.team.for_each(static_cast<int64_t>(blocks.size()), [&](int64_t i, int member) {
    // The longest first: causal prefill gives the last rows the most keys.
    const Block& block = blocks[blocks.size() - 1 - static_cast<size_t>(i)];
    const Partial sum(block, scratch.row(member));
    const Partial next(block, scratch.row(member) + most);
    run_part(ctx, block, 0, sum);
    for (int64_t part = 1; part < block.parts; ++part) {
      run_part(ctx, block, part, next);
      merge(ctx, block, sum, next);
    }
    finish(block, sum);
  });
}

// Each member takes single parts; one merges them in order afterwards.
void attend_by_parts(const Context& ctx, const std::vector<Block>& blocks) {
  struct Item {
    const Block* block;
    int64_t part;
    float* memory;
  };
  int64_t floats = 0;
  for (const Block& block : blocks) floats += block.parts * block.partial_floats();
  const Tensor scratch = ctx.empty({floats});
  std::vector<Item> items;
  float* memory = scratch.f32();
  for (const Block& block : blocks) {
    for (int64_t part = 0; part < block.parts; ++part) {
      items.push_back({&block, part, memory});
      memory += block.partial_floats();
    }
  }
  ctx.team.for_each(static_cast<int64_t>(items.size()), [&](int64_t i, int) {
    const Item& item = items[static_cast<size_t>(i)];
    run_part(ctx, *item.block, item.part, Partial(*item.block, item.memory));
  });
  for (size_t i = 0; i < items.size(); i += static_cast<size_t>(items[i].block->parts)) {
    const Block& block = *items[i].block;
    const Partial sum(block, items[i].memory);
    for (int64_t part = 1; part < block.parts; ++part) {
      merge(ctx, block, sum, Partial(block, items[i + static_cast<size_t>(part)].memory));
    }
    finish(block, sum);
  }
}

}  // namespace

void attend(const Context& ctx, std::span<const AttendJob> jobs) {
  const std::vector<Block> blocks = cut(jobs);
  const bool many = static_cast<int>(blocks.size()) >= 2 * ctx.team.size();
  if (many || ctx.team.size() == 1) {
    attend_by_blocks(ctx, blocks);
  } else {
    attend_by_parts(ctx, blocks);
  }
}

}  // namespace fathom::ops
