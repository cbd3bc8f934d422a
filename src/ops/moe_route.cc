#include "ops/moe_route.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace fathom::ops {
namespace {

// The published code adds it to the sum that weights are divided by.
constexpr double kSumFloor = 1e-20;

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// The `count` best indices of `values`, best first, the lower index first on a tie.
void best(const std::vector<float>& values, int64_t count, std::vector<int32_t>& order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    const float va = values[static_cast<size_t>(a)];
    const float vb = values[static_cast<size_t>(b)];
    return va != vb ? va > vb : a < b;
  });
  order.resize(static_cast<size_t>(count));
}

// Sets the choice score of experts outside the best groups to minus infinity.
void limit_groups(const RouteParams& params, std::vector<float>& choice, std::vector<int32_t>& order) {
  const size_t size = choice.size() / static_cast<size_t>(params.groups);
  std::vector<float> group_scores(static_cast<size_t>(params.groups));
  std::vector<float> members(size);
  for (size_t g = 0; g < group_scores.size(); ++g) {
    std::copy_n(choice.begin() + static_cast<int64_t>(g * size), size, members.begin());
    const int64_t take = std::min<int64_t>(params.group_score_experts, static_cast<int64_t>(size));
    std::partial_sort(members.begin(), members.begin() + take, members.end(), std::greater<>());
    group_scores[g] = std::accumulate(members.begin(), members.begin() + take, 0.0F);
  }
  best(group_scores, params.groups_per_token, order);
  std::vector<bool> kept(group_scores.size(), false);
  for (const int32_t g : order) kept[static_cast<size_t>(g)] = true;
  for (size_t e = 0; e < choice.size(); ++e) {
    if (!kept[e / size]) choice[e] = kExcluded;
  }
}

void route_token(const float* logits, const Tensor& bias_E, const RouteParams& params, int64_t experts, int32_t* ids,
                 float* weights) {
  std::vector<float> scores;
  moe_scores(logits, params.sigmoid, experts, scores);
  std::vector<float> choice = scores;
  if (bias_E.defined()) {
    for (size_t e = 0; e < choice.size(); ++e) choice[e] += bias_E.f32()[e];
  }
  std::vector<int32_t> order;
  if (params.group_limited && params.groups > 1) limit_groups(params, choice, order);
  best(choice, params.experts_per_token, order);

  double sum = 0;
  for (size_t k = 0; k < order.size(); ++k) sum += scores[static_cast<size_t>(order[k])];
  const double factor = params.scale / (params.normalise ? sum + kSumFloor : 1.0);
  for (size_t k = 0; k < order.size(); ++k) {
    ids[k] = order[k];
    weights[k] = static_cast<float>(scores[static_cast<size_t>(order[k])] * factor);
  }
}

// Gradient of one token's logits from that of its weights: through score, normalisation and scale, not through the
// selection. With S the sum of the chosen scores, w_k = scale s_k / S or scale s_k.
void route_token_backward(const float* logits, const RouteParams& params, int64_t experts, const int32_t* ids,
                          const float* dweights, float* dlogits) {
  std::vector<float> scores;
  moe_scores(logits, params.sigmoid, experts, scores);
  const auto chosen = static_cast<size_t>(params.experts_per_token);
  double sum = 0;
  double mean = 0;  // of dweights, by score
  for (size_t k = 0; k < chosen; ++k) {
    const double s = scores[static_cast<size_t>(ids[k])];
    sum += s;
    mean += s * dweights[k];
  }
  mean /= sum + kSumFloor;
  double softmax_mean = 0;  // sum of dscore s
  std::vector<double> dscores(static_cast<size_t>(experts), 0.0);
  for (size_t k = 0; k < chosen; ++k) {
    const auto e = static_cast<size_t>(ids[k]);
    dscores[e] =
        params.normalise ? params.scale / (sum + kSumFloor) * (dweights[k] - mean) : params.scale * dweights[k];
    softmax_mean += dscores[e] * scores[e];
  }
  for (size_t e = 0; e < scores.size(); ++e) {
    const double s = scores[e];
    dlogits[e] += static_cast<float>(params.sigmoid ? dscores[e] * s * (1 - s) : s * (dscores[e] - softmax_mean));
  }
}

void record_route(const Context& ctx, const Tensor& logits_TE, const RouteParams& params, const Routing& routing) {
  const Tensor ids = routing.ids_TK;
  const Saved saved = ctx.tape->save(logits_TE);
  ctx.tape->record(routing.weights_TK, [saved, params, ids](const Context& inner, Tape& tape, const Tensor& dweights) {
    const Tensor logits = saved.values(inner);
    const Tensor dlogits = tape.gradient(inner, saved);
    inner.team.run([&](int member) {
      const Share share = share_of(logits.dim(0), 1, member, inner.team.size());
      for (int64_t t = share.begin; t < share.end; ++t) {
        route_token_backward(logits.row(t), params, logits.dim(1), ids.i32() + t * ids.dim(1), dweights.row(t),
                             dlogits.row(t));
      }
    });
  });
}

}  // namespace

template <typename Real>
void moe_scores(const float* logits, bool sigmoid, int64_t experts, std::vector<Real>& scores) {
  scores.resize(static_cast<size_t>(experts));
  if (sigmoid) {
    for (size_t e = 0; e < scores.size(); ++e) scores[e] = Real{1} / (Real{1} + std::exp(-Real{logits[e]}));
    return;
  }
  const float max = *std::max_element(logits, logits + experts);
  double sum = 0;
  for (size_t e = 0; e < scores.size(); ++e) {
    scores[e] = std::exp(Real{logits[e]} - max);
    sum += scores[e];
  }
  for (Real& value : scores) value = static_cast<Real>(value / sum);
}
template void moe_scores(const float*, bool, int64_t, std::vector<float>&);
template void moe_scores(const float*, bool, int64_t, std::vector<double>&);

Routing moe_route(const Context& ctx, const Tensor& logits_TE, const Tensor& bias_E, const RouteParams& params) {
  const int64_t tokens = logits_TE.dim(0);
  const int64_t experts = logits_TE.dim(1);
  const int64_t k = params.experts_per_token;
  FATHOM_CHECK(k >= 1 && k <= experts && experts % params.groups == 0);
  Routing out{ctx.empty({tokens, k}, DType::kI32), ctx.empty({tokens, k})};
  const auto token = [&](int64_t t) {
    route_token(logits_TE.row(t), bias_E, params, experts, out.ids_TK.i32() + t * k, out.weights_TK.row(t));
  };
  // A token costs some microseconds; a handful is not worth a fork.
  if (tokens < 8) {
    for (int64_t t = 0; t < tokens; ++t) token(t);
  } else {
    ctx.team.run([&](int member) {
      const Share share = share_of(tokens, 1, member, ctx.team.size());
      for (int64_t t = share.begin; t < share.end; ++t) token(t);
    });
  }
  if (ctx.tape != nullptr && ctx.tape->tracks(logits_TE)) record_route(ctx, logits_TE, params, out);
  return out;
}

}  // namespace fathom::ops
