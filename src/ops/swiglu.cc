#include "ops/swiglu.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "ops/fp8.h"
#include "ops/swiglu_groups.h"

namespace fathom::ops {
namespace {

// Features in a work item, whole tiles of every kernel and whole packing units. With many tokens the gates and ups of
// an item stay in cache; with few, longer runs through memory are read faster.
constexpr int64_t kFeatureGrain = 64;
constexpr int64_t kLongFeatureGrain = 256;
constexpr int64_t kFewRows = 16;

struct Group : SwigluGroup {
  std::byte* packed_x = nullptr;
  std::byte* packed_h = nullptr;

  bool is_fp8 = false;  // activations are rounded, whole tiles at a time

  int64_t grain() const { return m() <= kFewRows || is_fp8 ? kLongFeatureGrain : kFeatureGrain; }
};

// A piece of work: features [begin, end) of one group.
struct Item {
  const Group* group;
  int64_t begin;
  int64_t end;
};

std::vector<Item> cut(const std::vector<Group>& groups, int64_t (*features)(const Group&)) {
  std::vector<Item> items;
  for (const Group& group : groups) {
    const int64_t n = features(group);
    for (int64_t begin = 0; begin < n; begin += group.grain()) {
      items.push_back({&group, begin, std::min(n, begin + group.grain())});
    }
  }
  return items;
}

class GroupedSwiglu {
 public:
  // `keeps`: gates and ups stay with their groups, for the backward pass.
  GroupedSwiglu(const Context& ctx, const Tensor& x, std::vector<Group> groups, bool keeps)
      : ctx_(ctx), groups_(std::move(groups)) {
    const bool is_fp8 = !groups_.empty() && runs_in_fp8(ctx, groups_[0].weights.gate_proj);
    x_ = is_fp8 ? fp8_rounded(ctx, rows_of(x)) : x;
    int64_t rows = 0;
    int64_t most = 0;
    for (Group& group : groups_) {
      group.first_output = rows;
      group.is_fp8 = is_fp8;
      rows += group.m();
      most = std::max(most, group.m() * group.grain());
      if (keeps) {
        group.gate = ctx.empty({group.m(), group.intermediate()});
        group.up = ctx.empty({group.m(), group.intermediate()});
      }
    }
    outputs_ = ctx.empty({rows, x.dim(1)});
    uses_gemm_ = keeps && !groups_.empty() && has_gemm_fprop(groups_[0].weights.gate_proj);
    if (uses_gemm_) return;
    gate_up_ = ctx.empty({ctx.team.size(), 2 * most});
    reserve_packed();
  }

  // Runs all groups; row first_output + i of the result is the output for rows[i] of the group.
  Tensor run() {
    if (uses_gemm_) {
      for_groups(ctx_, groups_, [&](const SwigluGroup& group, Workers workers) { gemm_group(group, workers); });
      return outputs_;
    }
    pack_inputs();
    const auto hidden = cut(groups_, [](const Group& g) { return g.intermediate(); });
    ctx_.team.for_each(static_cast<int64_t>(hidden.size()),
                       [&](int64_t i, int member) { gate_up(hidden[static_cast<size_t>(i)], member); });
    const auto down = cut(groups_, [](const Group& g) { return g.weights.down_proj.rows(); });
    ctx_.team.for_each(static_cast<int64_t>(down.size()),
                       [&](int64_t i, int) { down_proj(down[static_cast<size_t>(i)]); });
    return outputs_;
  }

  const std::vector<Group>& groups() const { return groups_; }

  // For the tape.
  std::vector<SwigluGroup> kept() const { return {groups_.begin(), groups_.end()}; }

 private:
  // A batch of one token is the same packed row for every expert.
  bool shares_input() const { return x_.dim(0) == 1; }

  void reserve_packed() {
    const auto& matmul = ctx_.matmul();
    size_t bytes = 0;
    const auto take = [&](int64_t m, int64_t k) {
      const size_t offset = bytes;
      bytes += static_cast<size_t>(round_up(static_cast<int64_t>(matmul.packed_bytes(m, k)), 64));
      return offset;
    };
    std::vector<size_t> x_offsets;
    std::vector<size_t> h_offsets;
    for (const Group& group : groups_) {
      x_offsets.push_back(shares_input() && !x_offsets.empty() ? x_offsets[0] : take(group.m(), x_.dim(1)));
      h_offsets.push_back(take(group.m(), group.intermediate()));
    }
    packed_ = ctx_.allocator.allocate(bytes);
    for (size_t g = 0; g < groups_.size(); ++g) {
      groups_[g].packed_x = packed_.get() + x_offsets[g];
      groups_[g].packed_h = packed_.get() + h_offsets[g];
    }
  }

  void pack_inputs() {
    const auto pack = [&](const Group& group) {
      ctx_.matmul().pack({.x = x_.f32(),
                          .x_stride = x_.dim(1),
                          .rows = group.rows.data(),
                          .m = group.m(),
                          .k = x_.dim(1),
                          .k_begin = 0,
                          .k_end = x_.dim(1),
                          .packed = group.packed_x});
    };
    if (shares_input()) {
      pack(groups_[0]);
      return;
    }
    ctx_.team.for_each(static_cast<int64_t>(groups_.size()),
                       [&](int64_t g, int) { pack(groups_[static_cast<size_t>(g)]); });
  }

  // While training (gemm_fprop).
  void gemm_group(const SwigluGroup& g, Workers workers) {
    const Rows x = {x_.f32(), g.m(), x_.dim(1), x_.dim(1), g.rows.data()};
    gemm_fprop(ctx_, x, g.weights.gate_proj, g.gate.f32(), workers);
    gemm_fprop(ctx_, x, g.weights.up_proj, g.up.f32(), workers);
    const Tensor h = ctx_.empty({g.m(), g.intermediate()});
    for (int64_t i = 0; i < g.m(); ++i) {
      ctx_.rowwise().silu_mul(g.gate.row(i), g.up.row(i), g.intermediate(), h.row(i));
    }
    gemm_fprop(ctx_, rows_of(h), g.weights.down_proj, outputs_.row(g.first_output), workers);
  }

  // h = silu(gate x) * up x for a range of intermediate features, packed for the second product.
  void gate_up(const Item& item, int member) {
    const Group& g = *item.group;
    const int64_t n = item.end - item.begin;
    const int64_t h_stride = g.grain();
    float* h = gate_up_.row(member);
    const int64_t stride = g.gate.defined() ? g.intermediate() : h_stride;
    float* gate = g.gate.defined() ? g.gate.f32() + item.begin : h;
    float* up = g.up.defined() ? g.up.f32() + item.begin : h + g.m() * h_stride;
    const auto product = [&](const Weight& w, float* y) {
      ctx_.matmul().linear({.packed_x = g.packed_x,
                            .m = g.m(),
                            .w = w.view,
                            .n_begin = item.begin,
                            .n_end = item.end,
                            .y = y,
                            .y_stride = stride});
    };
    product(g.weights.gate_proj, gate);
    product(g.weights.up_proj, up);
    for (int64_t i = 0; i < g.m(); ++i) {
      ctx_.rowwise().silu_mul(gate + i * stride, up + i * stride, n, h + i * h_stride);
      if (!g.is_fp8) continue;
      for (int64_t c = 0; c < n; c += kFp8Tile) round_fp8_tile(h + i * h_stride + c, std::min(kFp8Tile, n - c));
    }
    ctx_.matmul().pack({.x = h,
                        .x_stride = h_stride,
                        .m = g.m(),
                        .k = g.intermediate(),
                        .k_begin = item.begin,
                        .k_end = item.end,
                        .packed = g.packed_h});
  }

  void down_proj(const Item& item) {
    const Group& g = *item.group;
    ctx_.matmul().linear({.packed_x = g.packed_h,
                          .m = g.m(),
                          .w = g.weights.down_proj.view,
                          .n_begin = item.begin,
                          .n_end = item.end,
                          .y = outputs_.row(g.first_output) + item.begin,
                          .y_stride = x_.dim(1)});
  }

  const Context& ctx_;
  Tensor x_;
  bool uses_gemm_ = false;
  std::vector<Group> groups_;
  Tensor outputs_;
  Tensor gate_up_;  // per member: an item's gates, then its ups
  std::shared_ptr<std::byte> packed_;
};

std::vector<int32_t> all_rows(int64_t count) {
  std::vector<int32_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

bool is_tracked_by(const Context& ctx, const Tensor& x, const SwigluWeights& weights) {
  return ctx.tape != nullptr && (ctx.tape->tracks(x) || ctx.tape->tracks(weights.gate_proj));
}

void record(const Context& ctx, const Tensor& x, std::vector<SwigluGroup> groups, SwigluSum sum, const Tensor& y) {
  ctx.tape->record(y, [saved = ctx.tape->save(x), groups = std::move(groups), sum = std::move(sum)](
                          const Context& inner, Tape& tape, const Tensor& dy) {
    swiglu_backward(inner, tape, saved, groups, sum, dy);
  });
}

}  // namespace

Tensor swiglu(const Context& ctx, const Tensor& x_TD, const SwigluWeights& weights) {
  std::vector<Group> groups;
  groups.push_back({{.weights = weights, .rows = all_rows(x_TD.dim(0))}});
  const bool is_tracked = is_tracked_by(ctx, x_TD, weights);
  GroupedSwiglu grouped(ctx, x_TD, std::move(groups), is_tracked);
  const Tensor y = grouped.run();
  if (is_tracked) record(ctx, x_TD, grouped.kept(), {.shared_first = 0}, y);
  return y;
}

Tensor swiglu_experts(const Context& ctx, const Tensor& x_TD, const Routing& routing,
                      std::span<const SwigluWeights> experts, const SwigluWeights* shared) {
  const int64_t tokens = x_TD.dim(0);
  const int64_t chosen = routing.ids_TK.dim(1);

  // Rows by expert, in token order.
  std::vector<std::vector<int32_t>> rows(experts.size());
  std::vector<int64_t> slots(static_cast<size_t>(tokens * chosen));  // of (t, k) among its expert's rows
  for (int64_t slot = 0; slot < tokens * chosen; ++slot) {
    auto& of_expert = rows[static_cast<size_t>(routing.ids_TK.i32()[slot])];
    slots[static_cast<size_t>(slot)] = static_cast<int64_t>(of_expert.size());
    of_expert.push_back(static_cast<int32_t>(slot / chosen));
  }
  std::vector<Group> groups;
  std::vector<size_t> group_of(experts.size());
  for (size_t e = 0; e < experts.size(); ++e) {
    if (rows[e].empty()) continue;
    group_of[e] = groups.size();
    groups.push_back({{.weights = experts[e], .rows = std::move(rows[e])}});
  }
  if (shared != nullptr) groups.push_back({{.weights = *shared, .rows = all_rows(tokens)}});

  const bool is_tracked = !experts.empty() && is_tracked_by(ctx, x_TD, experts[0]);
  GroupedSwiglu grouped(ctx, x_TD, std::move(groups), is_tracked);
  const Tensor outputs = grouped.run();
  const auto& done = grouped.groups();
  for (int64_t slot = 0; slot < tokens * chosen; ++slot) {
    slots[static_cast<size_t>(slot)] += done[group_of[static_cast<size_t>(routing.ids_TK.i32()[slot])]].first_output;
  }
  Tensor y = ctx.empty({tokens, x_TD.dim(1)});
  const auto combine = [&](int64_t t) {
    std::fill_n(y.row(t), y.dim(1), 0.0F);
    for (int64_t k = 0; k < chosen; ++k) {
      const int64_t slot = t * chosen + k;
      ctx.rowwise().add_scaled(outputs.row(slots[static_cast<size_t>(slot)]), routing.weights_TK.f32()[slot], y.dim(1),
                               y.row(t));
    }
    if (shared != nullptr)
      ctx.rowwise().add_scaled(outputs.row(done.back().first_output + t), 1.0F, y.dim(1), y.row(t));
  };
  if (tokens <= row_grain(y.dim(1))) {
    for (int64_t t = 0; t < tokens; ++t) combine(t);
  } else {
    ctx.team.run([&](int member) {
      const Share share = share_of(tokens, 1, member, ctx.team.size());
      for (int64_t t = share.begin; t < share.end; ++t) combine(t);
    });
  }
  if (is_tracked) {
    const int64_t shared_first = shared != nullptr ? done.back().first_output : -1;
    record(ctx, x_TD, grouped.kept(),
           {.slots = std::move(slots), .weights_TK = routing.weights_TK, .shared_first = shared_first}, y);
  }
  return y;
}

}  // namespace fathom::ops
