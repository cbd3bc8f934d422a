#include "train/optimizer.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

namespace fathom::train {
namespace {

// Values in a work item.
constexpr int64_t kChunk = 1 << 14;
constexpr int kNewtonSchulzSteps = 5;
// Values of a matrix that is worth the whole team.
constexpr int64_t kTeamMatrix = 1 << 20;

struct Chunk {
  size_t parameter;
  int64_t begin;
  int64_t end;
};

// All values that have a gradient, cut into pieces.
std::vector<Chunk> chunks_of(const std::vector<Parameter>& parameters) {
  std::vector<Chunk> out;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (!parameters[p].is_trained()) continue;
    const int64_t count = parameters[p].value.count();
    for (int64_t begin = 0; begin < count; begin += kChunk) out.push_back({p, begin, std::min(count, begin + kChunk)});
  }
  return out;
}

// Embeddings and head are no maps between hidden states: Muon leaves them to AdamW.
bool is_inside_layer(const std::string& name) {
  return name.find("embed_tokens") == std::string::npos && name.find("lm_head") == std::string::npos &&
         name.find("shared_head") == std::string::npos;
}

struct AdamWStep {
  float beta1, beta2, eps;
  float rate;           // over the first moment's correction
  float second_factor;  // the second moment's
  float scale;          // of gradients
};

// One value.
inline void adamw_value(const AdamWStep& s, float gradient, float kept, float& m, float& v, float& value) {
  const float g = gradient * s.scale;
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * g * g;
  value = value * kept - s.rate * m / (std::sqrt(v * s.second_factor) + s.eps);
}

void scale_by(const ops::Context& ctx, const Tensor& x, float factor) {
  for (int64_t r = 0; r < x.dim(0); ++r) ctx.rowwise().widen(x.row(r), DType::kF32, factor, x.dim(1), x.row(r));
}

// y = factor y + by x.
void combine(const ops::Context& ctx, const Tensor& y, float factor, const Tensor& x, float by) {
  scale_by(ctx, y, factor);
  for (int64_t r = 0; r < y.dim(0); ++r) ctx.rowwise().add_scaled(x.row(r), by, y.dim(1), y.row(r));
}

double frobenius(const ops::Context& ctx, const Tensor& x) {
  double sum = 0;
  for (int64_t r = 0; r < x.dim(0); ++r) sum += static_cast<double>(ctx.rowwise().dot(x.row(r), x.row(r), x.dim(1)));
  return std::sqrt(sum);
}

Tensor turned(const ops::Context& ctx, const Tensor& x) {
  Tensor out = ctx.empty({x.dim(1), x.dim(0)});
  for (int64_t r = 0; r < x.dim(0); ++r) {
    for (int64_t c = 0; c < x.dim(1); ++c) out.row(c)[r] = x.row(r)[c];
  }
  return out;
}

// a b, or a b^T.
Tensor product(const ops::Context& ctx, const Tensor& a, const Tensor& b, ops::Turned of_b, ops::Workers workers) {
  const int64_t n = of_b == ops::Turned::kYes ? b.dim(0) : b.dim(1);
  Tensor y = ctx.empty({a.dim(0), n});
  ops::gemm(ctx, ops::rows_of(a), ops::Turned::kNo, ops::right_factor(ctx, ops::rows_of(b), of_b, workers), n, y.f32(),
            n, false, workers);
  return y;
}

}  // namespace

double gradient_norm(const ops::Context& ctx, const std::vector<Parameter>& parameters) {
  const std::vector<Chunk> chunks = chunks_of(parameters);
  std::vector<double> sums(chunks.size());
  ctx.team.for_each(static_cast<int64_t>(chunks.size()), [&](int64_t i, int) {
    const Chunk& chunk = chunks[static_cast<size_t>(i)];
    const float* gradient = parameters[chunk.parameter].gradient.f32();
    double sum = 0;
    for (int64_t j = chunk.begin; j < chunk.end; ++j) sum += static_cast<double>(gradient[j]) * gradient[j];
    sums[static_cast<size_t>(i)] = sum;
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return std::sqrt(sum);
}

void orthogonalise(const ops::Context& ctx, const Tensor& x, ops::Workers workers) {
  // The iteration works on the smaller side's Gram matrix.
  const bool is_tall = x.dim(0) > x.dim(1);
  Tensor y = is_tall ? turned(ctx, x) : x;
  scale_by(ctx, y, static_cast<float>(1 / (frobenius(ctx, y) + 1e-7)));
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    const Tensor gram = product(ctx, y, y, ops::Turned::kYes, workers);
    const Tensor square = product(ctx, gram, gram, ops::Turned::kNo, workers);
    combine(ctx, square, 2.0315F, gram, -4.7750F);
    const Tensor more = product(ctx, square, y, ops::Turned::kNo, workers);
    combine(ctx, y, 3.4445F, more, 1.0F);
  }
  if (!is_tall) return;
  const Tensor back = turned(ctx, y);
  std::copy_n(back.f32(), back.count(), x.f32());
}

Optimizer::Optimizer(const std::vector<Parameter>& parameters, const OptimizerParams& params) : params_(params) {
  for (const Parameter& parameter : parameters) {
    Slot slot = {.is_trained = parameter.is_trained()};
    if (slot.is_trained) {
      slot.is_muon = params.rule == OptimizerRule::kMuon && parameter.is_matrix && is_inside_layer(parameter.name);
      slot.weight_decay = parameter.is_matrix ? params.weight_decay : 0;
      const auto group = std::find_if(params.groups.begin(), params.groups.end(), [&](const ParameterGroup& g) {
        return fnmatch(g.match.c_str(), parameter.name.c_str(), 0) == 0;
      });
      if (group != params.groups.end()) {
        slot.weight_decay = group->weight_decay;
        slot.rate = group->rate;
      }
      slot.first = remember("first." + parameter.name, parameter.value.shape());
      if (!slot.is_muon) slot.second = remember("second." + parameter.name, parameter.value.shape());
    }
    slots_.push_back(std::move(slot));
  }
}

Tensor Optimizer::remember(const std::string& name, const Shape& shape) {
  state_.emplace_back(name, Tensor::zeros(shape, params_.has_bf16_moments ? DType::kBF16 : DType::kF32));
  return state_.back().second;
}

void Optimizer::step(const ops::Context& ctx, const std::vector<Parameter>& parameters, double learning_rate,
                     double gradient_scale, const std::vector<std::string>& resting) {
  ++steps_;
  for (size_t p = 0; p < parameters.size(); ++p) {
    slots_[p].rests = std::any_of(resting.begin(), resting.end(),
                                  [&](const std::string& prefix) { return parameters[p].name.starts_with(prefix); });
  }
  const auto scale = static_cast<float>(gradient_scale);
  adamw(ctx, parameters, learning_rate, scale);
  muon(ctx, parameters, learning_rate, scale);
}

void Optimizer::adamw(const ops::Context& ctx, const std::vector<Parameter>& parameters, double rate, float scale) {
  const auto t = static_cast<double>(steps_);
  const AdamWStep shared = {.beta1 = static_cast<float>(params_.beta1),
                            .beta2 = static_cast<float>(params_.beta2),
                            .eps = static_cast<float>(params_.eps),
                            .rate = 0,
                            .second_factor = static_cast<float>(1 / (1 - std::pow(params_.beta2, t))),
                            .scale = scale};
  const std::vector<Chunk> chunks = chunks_of(parameters);
  ctx.team.for_each(static_cast<int64_t>(chunks.size()), [&](int64_t i, int) {
    const Chunk& chunk = chunks[static_cast<size_t>(i)];
    const Slot& slot = slots_[chunk.parameter];
    if (slot.is_muon || slot.rests) return;
    const Parameter& parameter = parameters[chunk.parameter];
    AdamWStep s = shared;
    s.rate = static_cast<float>(rate * slot.rate / (1 - std::pow(params_.beta1, t)));
    const auto kept = static_cast<float>(1 - rate * slot.rate * slot.weight_decay);
    float* value = parameter.value.f32();
    const float* gradient = parameter.gradient.f32();
    if (!params_.has_bf16_moments) {
      float* m = slot.first.f32();
      float* v = slot.second.f32();
      for (int64_t j = chunk.begin; j < chunk.end; ++j) adamw_value(s, gradient[j], kept, m[j], v[j], value[j]);
      return;
    }
    auto* m = reinterpret_cast<bf16_t*>(slot.first.data_bytes());
    auto* v = reinterpret_cast<bf16_t*>(slot.second.data_bytes());
    for (int64_t j = chunk.begin; j < chunk.end; ++j) {
      float wide_m = bf16_to_f32(m[j]);
      float wide_v = bf16_to_f32(v[j]);
      adamw_value(s, gradient[j], kept, wide_m, wide_v, value[j]);
      m[j] = f32_to_bf16(wide_m);
      v[j] = f32_to_bf16(wide_v);
    }
  });
}

// Large matrices are the whole team's, the many small ones one member's each.
void Optimizer::muon(const ops::Context& ctx, const std::vector<Parameter>& parameters, double rate, float scale) {
  std::vector<size_t> small;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (!slots_[p].is_muon || slots_[p].rests) continue;
    if (parameters[p].value.count() < kTeamMatrix) {
      small.push_back(p);
    } else {
      muon(ctx, parameters[p], slots_[p], rate, scale, ops::Workers::kTeam);
    }
  }
  ctx.team.for_each(static_cast<int64_t>(small.size()), [&](int64_t i, int) {
    const size_t p = small[static_cast<size_t>(i)];
    muon(ctx, parameters[p], slots_[p], rate, scale, ops::Workers::kCaller);
  });
}

void Optimizer::muon(const ops::Context& ctx, const Parameter& parameter, const Slot& slot, double rate, float scale,
                     ops::Workers workers) {
  const int64_t rows = parameter.value.dim(0);
  const int64_t cols = parameter.value.dim(1);
  const auto momentum = static_cast<float>(params_.momentum);
  const Tensor update = ctx.empty({rows, cols});
  auto* narrow = reinterpret_cast<bf16_t*>(slot.first.data_bytes());
  for (int64_t i = 0; i < update.count(); ++i) {
    const float g = parameter.gradient.f32()[i] * scale;
    const float before = params_.has_bf16_moments ? bf16_to_f32(narrow[i]) : slot.first.f32()[i];
    const float b = momentum * before + g;
    if (params_.has_bf16_moments) {
      narrow[i] = f32_to_bf16(b);
    } else {
      slot.first.f32()[i] = b;
    }
    update.f32()[i] = g + momentum * b;
  }
  orthogonalise(ctx, update, workers);
  const double step = rate * slot.rate;
  const auto by = static_cast<float>(-step * 0.2 * std::sqrt(static_cast<double>(std::max(rows, cols))));
  combine(ctx, parameter.value, static_cast<float>(1 - step * slot.weight_decay), update, by);
}

}  // namespace fathom::train
