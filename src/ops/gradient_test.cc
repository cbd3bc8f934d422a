// Every op's gradient against finite differences of the same op written plainly in double precision; and the op's value
// against the plain one, so that both are known to be the same function.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "ops/balance_loss.h"
#include "ops/cross_entropy.h"
#include "ops/linear.h"
#include "ops/mla_attention.h"
#include "ops/norm.h"
#include "ops/swiglu.h"
#include "ops/test_support.h"

namespace fathom::ops {
namespace {

using Values = std::vector<double>;
using PlainOp = std::function<Values(const std::vector<Values>&)>;

constexpr double kStep = 1e-5;
constexpr double kTolerance = 2e-5;  // of the largest entry

Weight weight_of(const Tensor& x) {
  return {.view = {.data = x.data_bytes(), .dtype = DType::kF32, .rows = x.dim(0), .cols = x.dim(1)},
          .owner = std::make_shared<Tensor>(x)};
}

Values values_of(const Tensor& x) { return {x.f32(), x.f32() + x.count()}; }

// Inputs with gradients, and a tape that watches them.
struct Watched {
  explicit Watched(std::vector<Tensor> tensors) : inputs(std::move(tensors)) {
    for (const Tensor& input : inputs) {
      gradients.push_back(Tensor::zeros(input.shape()));
      tape.watch(input.data_bytes(), gradients.back());
    }
  }
  std::vector<Tensor> inputs;
  std::vector<Tensor> gradients;
  Tape tape;
};

void expect_gradients(const Watched& watched, const std::function<double(const std::vector<Values>&)>& loss) {
  std::vector<Values> at;
  for (const Tensor& input : watched.inputs) at.push_back(values_of(input));
  for (size_t i = 0; i < at.size(); ++i) {
    Values expected;
    for (double& x : at[i]) {
      const double before = x;
      x = before + kStep;
      const double above = loss(at);
      x = before - kStep;
      expected.push_back((above - loss(at)) / (2 * kStep));
      x = before;
    }
    EXPECT_LT(relative_error(watched.gradients[i], expected), kTolerance) << "input " << i;
  }
}

// Gradients of sum(c y) for random c.
void check(const std::vector<Tensor>& inputs, const std::function<Tensor(const Context&)>& op, const PlainOp& plain) {
  for (const int threads : {1, 2}) {
    Machine machine({best_isa(), Compute::kF32}, threads, MlaForm::kExpanded);
    Watched watched(inputs);
    machine.ctx.tape = &watched.tape;
    // Ops may write into their inputs (rotated queries): they get copies through the plain values first.
    std::vector<Values> at;
    for (const Tensor& input : inputs) at.push_back(values_of(input));
    std::vector<Tensor> before;
    for (const Tensor& input : inputs) before.push_back(copy_of(input));
    const Tensor y = op(machine.ctx);
    EXPECT_LT(relative_error(y, plain(at)), kTolerance);
    const Tensor c = random_tensor(y.shape(), 99);
    const Tensor dy = watched.tape.gradient(machine.ctx, y);
    std::copy_n(c.f32(), c.count(), dy.f32());
    watched.tape.backward(machine.ctx);
    for (size_t i = 0; i < inputs.size(); ++i) std::copy_n(before[i].f32(), before[i].count(), inputs[i].f32());
    expect_gradients(watched, [&](const std::vector<Values>& x) {
      const Values out = plain(x);
      double sum = 0;
      for (size_t i = 0; i < out.size(); ++i) sum += out[i] * c.f32()[i];
      return sum;
    });
  }
}

// y[m, n] = x[m, k] w[n, k]^T.
Values product(const Values& x, const Values& w, size_t k) {
  const size_t m = x.size() / k;
  const size_t n = w.size() / k;
  Values y(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t c = 0; c < k; ++c) y[i * n + j] += x[i * k + c] * w[j * k + c];
    }
  }
  return y;
}

double silu(double x) { return x / (1 + std::exp(-x)); }

// down(silu(gate x) * up x) of one row.
Values network(const Values& x, const Values& gate, const Values& up, const Values& down) {
  const Values g = product(x, gate, x.size());
  const Values u = product(x, up, x.size());
  Values h;
  for (size_t i = 0; i < g.size(); ++i) h.push_back(silu(g[i]) * u[i]);
  return product(h, down, h.size());
}

Values row(const Values& x, size_t t, size_t width) {
  return {x.begin() + static_cast<std::ptrdiff_t>(t * width), x.begin() + static_cast<std::ptrdiff_t>((t + 1) * width)};
}

TEST(Gradient, Linear) {
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{7, 9, 5}, {1, 3, 40}, {19, 33, 64}}) {
    const Tensor x = random_tensor({m, k}, 1);
    const Tensor w = random_tensor({n, k}, 2);
    const auto plain = [k = k](const std::vector<Values>& in) { return product(in[0], in[1], static_cast<size_t>(k)); };
    check(
        {x, w}, [&](const Context& ctx) { return linear(ctx, x, weight_of(w)); }, plain);
    check(
        {x, w}, [&](const Context& ctx) { return linear_f32(ctx, x, weight_of(w)); }, plain);
  }
}

TEST(Gradient, EmbeddingAndRows) {
  const Tensor table = random_tensor({6, 10}, 3);
  const std::vector<int32_t> chosen = {2, 5, 2, 0};
  const auto plain = [&](const std::vector<Values>& in) {
    Values out;
    for (const int32_t r : chosen) {
      const Values of_row = row(in[0], static_cast<size_t>(r), 10);
      out.insert(out.end(), of_row.begin(), of_row.end());
    }
    return out;
  };
  check(
      {table}, [&](const Context& ctx) { return embedding(ctx, chosen, weight_of(table)); }, plain);
  check(
      {table}, [&](const Context& ctx) { return gather_rows(ctx, table, chosen); }, plain);
}

TEST(Gradient, ConcatAndAdd) {
  const Tensor a = random_tensor({3, 4}, 4);
  const Tensor b = random_tensor({3, 7}, 5);
  check(
      {a, b}, [&](const Context& ctx) { return concat(ctx, a, b); },
      [](const std::vector<Values>& in) {
        Values out;
        for (size_t t = 0; t < 3; ++t) {
          for (const double v : row(in[0], t, 4)) out.push_back(v);
          for (const double v : row(in[1], t, 7)) out.push_back(v);
        }
        return out;
      });
  const Tensor c = random_tensor({3, 4}, 6);
  check(
      {a, c}, [&](const Context& ctx) { return add(ctx, a, c); },
      [](const std::vector<Values>& in) {
        Values out = in[0];
        for (size_t i = 0; i < out.size(); ++i) out[i] += in[1][i];
        return out;
      });
  // The same tensor twice.
  check(
      {a}, [&](const Context& ctx) { return add(ctx, a, a); },
      [](const std::vector<Values>& in) {
        Values out = in[0];
        for (double& v : out) v *= 2;
        return out;
      });
}

TEST(Gradient, RmsNorm) {
  constexpr double kEps = 1e-3;
  // Also over the first columns of wider rows, as the latent's norm.
  for (const int64_t width : {37, 24}) {
    const Tensor x = random_tensor({5, 37}, 7);
    const Tensor weight = random_tensor({width}, 8);
    check(
        {x, weight}, [&](const Context& ctx) { return rms_norm(ctx, x, weight, kEps); },
        [&](const std::vector<Values>& in) {
          Values out;
          for (size_t t = 0; t < 5; ++t) {
            const Values of_row = row(in[0], t, 37);
            double squares = 0;
            for (size_t i = 0; i < in[1].size(); ++i) squares += of_row[i] * of_row[i];
            const double r = 1 / std::sqrt(squares / static_cast<double>(in[1].size()) + kEps);
            for (size_t i = 0; i < in[1].size(); ++i) out.push_back(of_row[i] * r * in[1][i]);
          }
          return out;
        });
  }
}

Values plain_scores(const Values& logits, bool sigmoid) {
  Values s;
  double sum = 0;
  for (const double x : logits) s.push_back(sigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x));
  for (const double x : s) sum += x;
  if (!sigmoid) {
    for (double& x : s) x /= sum;
  }
  return s;
}

TEST(Gradient, MoeRoute) {
  const Tensor logits = random_tensor({9, 8}, 9);
  const Tensor bias = random_tensor({8}, 10, 0.1);
  for (const bool sigmoid : {true, false}) {
    for (const bool normalise : {true, false}) {
      const RouteParams params = {.experts_per_token = 3, .sigmoid = sigmoid, .normalise = normalise, .scale = 2.5};
      Machine machine({Isa::kPlain, Compute::kF32});
      const Tensor ids = moe_route(machine.ctx, logits, bias, params).ids_TK;
      check(
          {logits}, [&](const Context& ctx) { return moe_route(ctx, logits, bias, params).weights_TK; },
          [&](const std::vector<Values>& in) {
            Values out;
            for (size_t t = 0; t < 9; ++t) {
              const Values s = plain_scores(row(in[0], t, 8), sigmoid);
              double sum = 0;
              for (size_t k = 0; k < 3; ++k) sum += s[static_cast<size_t>(ids.i32()[t * 3 + k])];
              for (size_t k = 0; k < 3; ++k) {
                out.push_back(2.5 * s[static_cast<size_t>(ids.i32()[t * 3 + k])] / (normalise ? sum : 1));
              }
            }
            return out;
          });
    }
  }
}

TEST(Gradient, SequenceBalanceLoss) {
  constexpr double kAlpha = 0.7;
  const Tensor logits = random_tensor({9, 8}, 11);
  const RouteParams params = {.experts_per_token = 2, .sigmoid = true, .normalise = true};
  TokenBatch batch;
  batch.tokens.resize(9);
  batch.spans = {{.begin = 0, .end = 5, .past = 0, .pages = {}}, {.begin = 5, .end = 9, .past = 0, .pages = {}}};
  for (const bool sigmoid : {true, false}) {
    RouteParams of_kind = params;
    of_kind.sigmoid = sigmoid;
    Machine machine({Isa::kPlain, Compute::kF32});
    Watched watched({logits});
    BalanceLoss balance = {.alpha = kAlpha};
    const Routing routing = moe_route(machine.ctx, logits, Tensor(), of_kind);
    machine.ctx.tape = &watched.tape;
    machine.ctx.balance = &balance;
    sequence_balance_loss(machine.ctx, logits, routing, of_kind, batch);
    const auto loss = [&](const std::vector<Values>& in) {
      double sum = 0;
      for (const Span& span : batch.spans) {
        Values f(8), p(8);
        const auto length = static_cast<double>(span.length());
        for (int64_t t = span.begin; t < span.end; ++t) {
          for (int64_t k = 0; k < 2; ++k) f[static_cast<size_t>(routing.ids_TK.i32()[t * 2 + k])] += 8 / (2 * length);
          const Values s = plain_scores(row(in[0], static_cast<size_t>(t), 8), sigmoid);
          double total = 0;
          for (const double v : s) total += v;
          for (size_t e = 0; e < 8; ++e) p[e] += s[e] / total / length;
        }
        for (size_t e = 0; e < 8; ++e) sum += f[e] * p[e] / 2;
      }
      return kAlpha * sum;
    };
    EXPECT_NEAR(kAlpha * balance.loss, loss({values_of(logits)}), 1e-6);
    expect_gradients(watched, loss);
  }
}

TEST(Gradient, Swiglu) {
  const Tensor x = random_tensor({5, 6}, 12);
  const Tensor gate = random_tensor({9, 6}, 13);
  const Tensor up = random_tensor({9, 6}, 14);
  const Tensor down = random_tensor({6, 9}, 15);
  const Weight weights[] = {weight_of(gate), weight_of(up), weight_of(down)};
  check(
      {x, gate, up, down},
      [&](const Context& ctx) {
        return swiglu(ctx, x, {weights[0], weights[1], weights[2]});
      },
      [](const std::vector<Values>& in) {
        Values out;
        for (size_t t = 0; t < 5; ++t) {
          for (const double v : network(row(in[0], t, 6), in[1], in[2], in[3])) out.push_back(v);
        }
        return out;
      });
}

TEST(Gradient, SwigluExperts) {
  constexpr size_t kExperts = 4;
  const Tensor x = random_tensor({7, 6}, 16);
  const Tensor routing_weights = random_tensor({7, 2}, 17);
  // Expert 3 gets nothing.
  const Tensor ids = Tensor::of({7, 2}, std::vector<int32_t>{0, 1, 1, 2, 2, 0, 0, 1, 1, 0, 2, 1, 0, 2});
  for (const bool has_shared : {true, false}) {
    std::vector<Tensor> inputs = {x, routing_weights};
    std::vector<Weight> stored;
    for (size_t e = 0; e < kExperts + 1; ++e) {
      inputs.push_back(random_tensor({5, 6}, 20 + e));
      inputs.push_back(random_tensor({5, 6}, 30 + e));
      inputs.push_back(random_tensor({6, 5}, 40 + e));
    }
    for (size_t i = 2; i < inputs.size(); ++i) stored.push_back(weight_of(inputs[i]));
    std::vector<SwigluWeights> experts;
    for (size_t e = 0; e < kExperts; ++e) experts.push_back({stored[3 * e], stored[3 * e + 1], stored[3 * e + 2]});
    const SwigluWeights shared = {stored[3 * kExperts], stored[3 * kExperts + 1], stored[3 * kExperts + 2]};
    check(
        inputs,
        [&](const Context& ctx) {
          return swiglu_experts(ctx, x, {ids, routing_weights}, experts, has_shared ? &shared : nullptr);
        },
        [&](const std::vector<Values>& in) {
          Values out;
          for (size_t t = 0; t < 7; ++t) {
            const Values of_token = row(in[0], t, 6);
            Values sum(6);
            const auto add_network = [&](size_t e, double factor) {
              const Values y = network(of_token, in[2 + 3 * e], in[3 + 3 * e], in[4 + 3 * e]);
              for (size_t i = 0; i < 6; ++i) sum[i] += factor * y[i];
            };
            for (size_t k = 0; k < 2; ++k) add_network(static_cast<size_t>(ids.i32()[t * 2 + k]), in[1][t * 2 + k]);
            if (has_shared) add_network(kExperts, 1);
            out.insert(out.end(), sum.begin(), sum.end());
          }
          return out;
        });
  }
}

struct AttentionCase {
  int64_t heads = 2, rank = 3, nope = 3, rope = 2, v = 2;
  std::vector<int64_t> lengths = {1, 66, 3};  // across a block of queries and a page
  bool is_sparse = false;
};

class AttentionGradient {
 public:
  explicit AttentionGradient(const AttentionCase& c) : c_(c), rope_(c.rope, 100, std::nullopt) {
    int32_t page = 0;
    for (const int64_t length : c.lengths) {
      Span span = {.begin = tokens_, .end = tokens_ + length, .past = 0, .pages = {}};
      for (int64_t i = 0; i < ceil_div(length, 64); ++i) span.pages.push_back(page++);
      batch_.spans.push_back(span);
      tokens_ += length;
    }
    batch_.tokens.resize(static_cast<size_t>(tokens_));
    q_ = random_tensor({tokens_, c.heads * (c.nope + c.rope)}, 50);
    latent_ = random_tensor({tokens_, c.rank}, 51);
    kv_a_ = random_tensor({tokens_, c.rank + c.rope}, 52);
    kv_b_ = random_tensor({c.heads * (c.nope + c.v), c.rank}, 53);
    if (c.is_sparse) choose();
  }

  std::vector<Tensor> inputs() const { return {q_, latent_, kv_a_, kv_b_}; }

  Tensor run(const Context& ctx) {
    LatentCache cache({.layers = 1, .latent_dim = c_.rank + c_.rope, .index_dim = 0}, ctx.compute, 8);
    const Weight kv_b = weight_of(kv_b_);
    kept_.push_back(std::make_shared<Weight>(kv_b));
    const MlaParams params = {.heads = c_.heads,
                              .kv_lora_rank = c_.rank,
                              .qk_nope_head_dim = c_.nope,
                              .qk_rope_head_dim = c_.rope,
                              .v_head_dim = c_.v,
                              .softmax_scale = kScale,
                              .kv_b_proj = *kept_.back(),
                              .rope = rope_};
    return mla_attention(ctx, params, q_, latent_, kv_a_, topk_, batch_, cache, 0);
  }

  Values plain(const std::vector<Values>& in) const {
    const auto qk = static_cast<size_t>(c_.nope + c_.rope);
    const auto kv = static_cast<size_t>(c_.nope + c_.v);
    const auto nope = static_cast<size_t>(c_.nope);
    Values out(static_cast<size_t>(tokens_ * c_.heads * c_.v));
    for (const Span& span : batch_.spans) {
      for (int64_t t = span.begin; t < span.end; ++t) {
        for (int64_t h = 0; h < c_.heads; ++h) {
          Values q = row(in[0], static_cast<size_t>(t * c_.heads + h), qk);
          rotate(q, nope, t - span.begin);
          double sum = 0;
          Values o(static_cast<size_t>(c_.v));
          for (const int64_t s : seen(span, t)) {
            const Values latent = row(in[1], static_cast<size_t>(s), static_cast<size_t>(c_.rank));
            const Values w = row(in[3], static_cast<size_t>(h), kv * static_cast<size_t>(c_.rank));
            const Values both = product(latent, w, static_cast<size_t>(c_.rank));  // [key | value]
            Values key = row(in[2], static_cast<size_t>(s), static_cast<size_t>(c_.rank + c_.rope));
            key.erase(key.begin(), key.begin() + c_.rank);
            rotate(key, 0, s - span.begin);
            double score = 0;
            for (size_t i = 0; i < nope; ++i) score += q[i] * both[i];
            for (size_t i = 0; i < key.size(); ++i) score += q[nope + i] * key[i];
            const double p = std::exp(score * kScale);
            sum += p;
            for (size_t i = 0; i < o.size(); ++i) o[i] += p * both[nope + i];
          }
          for (size_t i = 0; i < o.size(); ++i) {
            out[static_cast<size_t>((t * c_.heads + h) * c_.v) + i] = o[i] / sum;
          }
        }
      }
    }
    return out;
  }

 private:
  static constexpr double kScale = 0.3;

  // Each token sees itself and every third position before it.
  void choose() {
    const int64_t most = *std::max_element(c_.lengths.begin(), c_.lengths.end()) / 3 + 2;
    topk_ = Tensor::zeros({tokens_, most}, DType::kI32);
    std::fill_n(topk_.i32(), topk_.count(), -1);
    for (const Span& span : batch_.spans) {
      for (int64_t p = 0; p < span.length(); ++p) {
        int32_t* to = topk_.i32() + (span.begin + p) * most;
        for (int64_t s = p % 3; s <= p; s += 3) *to++ = static_cast<int32_t>(s);
      }
    }
  }

  std::vector<int64_t> seen(const Span& span, int64_t t) const {
    std::vector<int64_t> out;
    const int64_t p = t - span.begin;
    for (int64_t s = c_.is_sparse ? p % 3 : 0; s <= p; s += c_.is_sparse ? 3 : 1) out.push_back(span.begin + s);
    return out;
  }

  void rotate(Values& x, size_t first, int64_t position) const {
    std::vector<float> cos(static_cast<size_t>(c_.rope / 2)), sin(cos.size());
    rope_.angles(position, cos.data(), sin.data());
    for (size_t i = 0; i < cos.size(); ++i) {
      double& a = x[first + 2 * i];
      double& b = x[first + 2 * i + 1];
      const double turned = a * cos[i] - b * sin[i];
      b = a * sin[i] + b * cos[i];
      a = turned;
    }
  }

  AttentionCase c_;
  Rope rope_;
  int64_t tokens_ = 0;
  TokenBatch batch_;
  Tensor q_, latent_, kv_a_, kv_b_, topk_;
  std::vector<std::shared_ptr<Weight>> kept_;
};

TEST(Gradient, MlaAttention) {
  for (const bool is_sparse : {false, true}) {
    AttentionCase c;
    c.is_sparse = is_sparse;
    if (is_sparse) c.lengths = {20, 3};
    AttentionGradient attention(c);
    check(
        attention.inputs(), [&](const Context& ctx) { return attention.run(ctx); },
        [&](const std::vector<Values>& in) { return attention.plain(in); });
  }
}

TEST(Gradient, CrossEntropy) {
  const CrossEntropyParams params = {.factor = 0.25, .z_weight = 0.01};
  const Tensor x = random_tensor({300, 5}, 60);  // more than one chunk
  const Tensor head = random_tensor({7, 5}, 61);
  std::vector<int32_t> targets;
  for (int32_t t = 0; t < 300; ++t) targets.push_back(t % 5 == 0 ? kNoTarget : t % 7);
  const auto plain = [&](const std::vector<Values>& in, double z_weight) {
    double sum = 0;
    for (size_t t = 0; t < targets.size(); ++t) {
      if (targets[t] == kNoTarget) continue;
      const Values logits = product(row(in[0], t, 5), in[1], 5);
      double total = 0;
      for (const double v : logits) total += std::exp(v);
      sum += std::log(total) - logits[static_cast<size_t>(targets[t])] + z_weight * std::log(total) * std::log(total);
    }
    return sum;
  };
  Machine machine({best_isa(), Compute::kF32}, 2);
  Watched watched({x, head});
  machine.ctx.tape = &watched.tape;
  const CrossEntropyLoss loss = cross_entropy(machine.ctx, x, weight_of(head), targets, params);
  EXPECT_EQ(loss.tokens, 240);
  EXPECT_NEAR(loss.nll, plain({values_of(x), values_of(head)}, 0), 1e-3);
  EXPECT_NEAR(loss.nll + loss.z, plain({values_of(x), values_of(head)}, 1), 1e-2);
  expect_gradients(watched, [&](const std::vector<Values>& in) { return params.factor * plain(in, params.z_weight); });
}

}  // namespace
}  // namespace fathom::ops
