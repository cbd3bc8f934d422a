// Rules by which weights move, and adapters, which move in their stead.

#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/config.h"
#include "ops/test_support.h"
#include "train/lora.h"

namespace fathom::train {
namespace {

using ops::Machine;
using ops::random_tensor;

Parameter parameter(const std::string& name, const Shape& shape, uint64_t seed) {
  return {.name = name,
          .value = random_tensor(shape, seed),
          .gradient = random_tensor(shape, seed + 100),
          .is_matrix = shape.size() > 1};
}

double at(const Tensor& x, int64_t i) { return static_cast<double>(x.f32()[i]); }

std::vector<double> values_of(const Tensor& x) { return {x.f32(), x.f32() + x.count()}; }

TEST(AdamW, FollowsItsFormula) {
  Machine machine({best_isa(), ops::Compute::kF32});
  const std::vector<Parameter> parameters = {parameter("w", {3, 5}, 1), parameter("norm", {4}, 2)};
  const OptimizerParams params = {.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .weight_decay = 0.1};
  std::vector<std::vector<double>> want;
  for (const Parameter& p : parameters) {
    std::vector<double> w = values_of(p.value);
    std::vector<double> m(w.size()), v(w.size());
    for (int t = 1; t <= 3; ++t) {
      for (size_t i = 0; i < w.size(); ++i) {
        const double g = 0.5 * at(p.gradient, static_cast<int64_t>(i));
        m[i] = 0.8 * m[i] + 0.2 * g;
        v[i] = 0.9 * v[i] + 0.1 * g * g;
        if (p.is_matrix) w[i] -= 0.01 * 0.1 * w[i];
        w[i] -= 0.01 * m[i] / (1 - std::pow(0.8, t)) / (std::sqrt(v[i] / (1 - std::pow(0.9, t))) + 1e-6);
      }
    }
    want.push_back(w);
  }
  Optimizer optimizer(parameters, params);
  for (int t = 0; t < 3; ++t) optimizer.step(machine.ctx, parameters, 0.01, 0.5);
  for (size_t p = 0; p < parameters.size(); ++p) {
    for (size_t i = 0; i < want[p].size(); ++i) {
      EXPECT_NEAR(at(parameters[p].value, static_cast<int64_t>(i)), want[p][i], 1e-6) << parameters[p].name << i;
    }
  }
}

TEST(AdamW, Bf16MomentsStayNearAndTakeHalfTheMemory) {
  Machine machine({best_isa(), ops::Compute::kF32});
  const std::vector<Parameter> wide = {parameter("w", {16, 33}, 1)};
  const std::vector<Parameter> narrow = {parameter("w", {16, 33}, 1)};
  Optimizer of_wide(wide, {});
  Optimizer of_narrow(narrow, {.has_bf16_moments = true});
  for (int t = 0; t < 20; ++t) {
    of_wide.step(machine.ctx, wide, 0.01, 1);
    of_narrow.step(machine.ctx, narrow, 0.01, 1);
  }
  EXPECT_EQ(of_narrow.state().front().second.bytes() * 2, of_wide.state().front().second.bytes());
  for (int64_t i = 0; i < wide[0].value.count(); ++i) {
    EXPECT_NEAR(at(narrow[0].value, i), at(wide[0].value, i), 0.02 * 20 * 0.01) << i;
  }
}

TEST(Optimizer, GroupsChangeDecayAndRate) {
  Machine machine({best_isa(), ops::Compute::kF32});
  std::vector<Parameter> parameters = {parameter("model.embed_tokens.weight", {4, 8}, 1),
                                       parameter("model.layers.0.mlp.up_proj.weight", {4, 8}, 1)};
  for (const Parameter& p : parameters) std::fill_n(p.gradient.f32(), p.gradient.count(), 0.0F);
  const std::vector<double> before = values_of(parameters[0].value);
  Optimizer optimizer(parameters, {.weight_decay = 0.5, .groups = {{.match = "*embed_tokens*", .weight_decay = 0}}});
  optimizer.step(machine.ctx, parameters, 0.1, 1);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(at(parameters[0].value, static_cast<int64_t>(i)), before[i]);
    EXPECT_NEAR(at(parameters[1].value, static_cast<int64_t>(i)), 0.95 * before[i], 1e-6);
  }
}

TEST(Optimizer, RestingParametersKeepValuesAndMoments) {
  Machine machine({best_isa(), ops::Compute::kF32}, 2);
  const std::vector<Parameter> parameters = {parameter("model.layers.1.norm.weight", {8}, 1),
                                             parameter("model.layers.1.mlp.up_proj.weight", {8, 4}, 2),
                                             parameter("model.layers.11.mlp.up_proj.weight", {8, 4}, 3)};
  Optimizer optimizer(parameters, {.rule = OptimizerRule::kMuon});
  optimizer.step(machine.ctx, parameters, 0.01, 1);
  std::vector<std::vector<double>> values, moments;
  for (const Parameter& p : parameters) values.push_back(values_of(p.value));
  for (const auto& [name, tensor] : optimizer.state()) moments.push_back(values_of(tensor));
  optimizer.step(machine.ctx, parameters, 0.01, 1, {"model.layers.1."});
  for (size_t p = 0; p < parameters.size(); ++p) EXPECT_EQ(values_of(parameters[p].value) == values[p], p < 2) << p;
  for (size_t m = 0; m < moments.size(); ++m) {
    const auto& [name, tensor] = optimizer.state()[m];
    EXPECT_EQ(values_of(tensor) == moments[m], name.find("layers.11.") == std::string::npos) << name;
  }
}

// x with the singular vectors of two random rotations and these singular values: x = U S V^T, U and V from
// Gram-Schmidt.
std::vector<std::vector<double>> orthonormal(int64_t n, int64_t dim, uint64_t seed) {
  const Tensor random = random_tensor({n, dim}, seed);
  std::vector<std::vector<double>> rows;
  for (int64_t r = 0; r < n; ++r) {
    std::vector<double> row(random.row(r), random.row(r) + dim);
    for (const auto& other : rows) {
      double dot = 0;
      for (size_t i = 0; i < row.size(); ++i) dot += row[i] * other[i];
      for (size_t i = 0; i < row.size(); ++i) row[i] -= dot * other[i];
    }
    double norm = 0;
    for (const double x : row) norm += x * x;
    for (double& x : row) x /= std::sqrt(norm);
    rows.push_back(row);
  }
  return rows;
}

TEST(Muon, KeepsSingularVectorsAndEvensSingularValues) {
  for (const auto& [rows, cols] : {std::pair{6, 17}, {17, 6}, {9, 9}}) {
    for (const ops::Setting& setting : ops::all_settings()) {
      Machine machine(setting, 2);
      const int64_t rank = std::min(rows, cols);
      const auto u = orthonormal(rank, rows, 1);
      const auto v = orthonormal(rank, cols, 2);
      Tensor x = Tensor::zeros({rows, cols});
      for (int64_t k = 0; k < rank; ++k) {
        const double s = 0.1 + static_cast<double>(k);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < cols; ++c) {
            x.row(r)[c] += static_cast<float>(s * u[static_cast<size_t>(k)][static_cast<size_t>(r)] *
                                              v[static_cast<size_t>(k)][static_cast<size_t>(c)]);
          }
        }
      }
      orthogonalise(machine.ctx, x, ops::Workers::kTeam);
      const double slack = setting.compute == ops::Compute::kF32 ? 0.01 : 0.1;
      for (size_t i = 0; i < static_cast<size_t>(rank); ++i) {
        for (size_t j = 0; j < static_cast<size_t>(rank); ++j) {
          double value = 0;  // u_i^T x v_j
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < cols; ++c) {
              value += u[i][static_cast<size_t>(r)] * at(x, r * cols + c) * v[j][static_cast<size_t>(c)];
            }
          }
          if (i == j) {
            EXPECT_GT(value, 0.6 - slack);
            EXPECT_LT(value, 1.3 + slack);
          } else {
            EXPECT_NEAR(value, 0, slack);
          }
        }
      }
    }
  }
}

TEST(Muon, MovesMatricesOfLayersAndLeavesTheRestToAdamW) {
  Machine machine({best_isa(), ops::Compute::kF32}, 2);
  const std::vector<Parameter> parameters = {parameter("lm_head.weight", {8, 4}, 1),
                                             parameter("model.layers.0.self_attn.o_proj.weight", {8, 4}, 2)};
  const std::vector<Parameter> plain = {parameter("lm_head.weight", {8, 4}, 1)};
  const std::vector<double> before = values_of(parameters[1].value);
  Optimizer muon(parameters, {.rule = OptimizerRule::kMuon});
  Optimizer adamw(plain, {});
  muon.step(machine.ctx, parameters, 0.01, 1);
  adamw.step(machine.ctx, plain, 0.01, 1);
  EXPECT_EQ(values_of(parameters[0].value), values_of(plain[0].value));
  EXPECT_EQ(muon.state().size(), 3U);  // two moments of the head, one momentum
  // The step is as long as AdamW's usual one: 0.2 of the rate in the mean square.
  double square = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double moved = at(parameters[1].value, static_cast<int64_t>(i)) - before[i] * (1 - 0.01 * 0.1);
    square += moved * moved / static_cast<double>(before.size());
  }
  EXPECT_NEAR(std::sqrt(square), 0.01 * 0.2, 0.01 * 0.2 * 0.4);
}

model::ModelConfig small_config() {
  model::ModelConfig config;
  config.model_type = "deepseek_v3";
  config.vocab_size = 16;
  config.hidden_size = 8;
  config.num_hidden_layers = 1;
  config.max_position_embeddings = 16;
  config.num_attention_heads = 2;
  config.kv_lora_rank = 4;
  config.qk_nope_head_dim = 4;
  config.qk_rope_head_dim = 4;
  config.v_head_dim = 4;
  config.intermediate_size = 12;
  config.first_k_dense_replace = 1;
  return config;
}

// The loss sum over W of c W has the gradient c; through W = W0 + s B A it must reach A and B as differences tell.
TEST(Lora, GradientsAreThoseOfTheProduct) {
  Machine machine({best_isa(), ops::Compute::kF32}, 2);
  model::Transformer model(small_config());
  ParameterSet base(model, machine.ctx);
  uint64_t seed = 0;
  for (Parameter& p : base.all()) {
    const Tensor value = random_tensor(p.value.shape(), ++seed);
    std::copy_n(value.f32(), value.count(), p.value.f32());
  }
  const Lora lora(base, {.rank = 3, .alpha = 6, .targets = {"*o_proj.weight"}}, 5);
  ASSERT_EQ(lora.parameters().size(), 2U);
  const Parameter& a = lora.parameters()[0];
  const Parameter& b = lora.parameters()[1];
  EXPECT_EQ(a.name, "model.layers.0.self_attn.o_proj.lora_A.weight");
  const Parameter& w = *base.find("model.layers.0.self_attn.o_proj.weight");
  const std::vector<double> origin = values_of(w.value);
  lora.apply(machine.ctx);
  EXPECT_EQ(values_of(w.value), origin);  // B is zero at first

  const Tensor random_b = random_tensor(b.value.shape(), 77);
  std::copy_n(random_b.f32(), random_b.count(), b.value.f32());
  const Tensor c = random_tensor(w.value.shape(), 78);
  std::copy_n(c.f32(), c.count(), w.gradient.f32());
  const auto loss = [&] {
    lora.apply(machine.ctx);
    double sum = 0;
    for (int64_t i = 0; i < c.count(); ++i) sum += at(c, i) * at(w.value, i);
    return sum;
  };
  lora.gather_gradients(machine.ctx);
  for (const Parameter* p : {&a, &b}) {
    for (int64_t i = 0; i < p->value.count(); ++i) {
      float& x = p->value.f32()[i];
      const float kept = x;
      x = kept + 0.125F;
      const double above = loss();
      x = kept - 0.125F;
      const double below = loss();
      x = kept;
      EXPECT_NEAR(at(p->gradient, i), (above - below) / 0.25, 2e-4) << p->name << i;
    }
  }
}

TEST(Lora, RefusesPatternsThatFitNothing) {
  Machine machine({best_isa(), ops::Compute::kF32});
  model::Transformer model(small_config());
  ParameterSet base(model, machine.ctx);
  EXPECT_THROW(Lora(base, {.rank = 2, .targets = {"*q_projection*"}}, 1), Error);
}

}  // namespace
}  // namespace fathom::train
