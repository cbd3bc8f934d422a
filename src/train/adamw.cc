#include "train/adamw.h"

#include <algorithm>
#include <cmath>

namespace fathom::train {
namespace {

// Values in a work item.
constexpr int64_t kChunk = 1 << 14;

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

}  // namespace

double gradient_norm(const ops::Context& ctx, const ParameterSet& parameters) {
  const std::vector<Chunk> chunks = chunks_of(parameters.all());
  std::vector<double> sums(chunks.size());
  ctx.team.for_each(static_cast<int64_t>(chunks.size()), [&](int64_t i, int) {
    const Chunk& chunk = chunks[static_cast<size_t>(i)];
    const float* gradient = parameters.all()[chunk.parameter].gradient.f32();
    double sum = 0;
    for (int64_t j = chunk.begin; j < chunk.end; ++j) sum += static_cast<double>(gradient[j]) * gradient[j];
    sums[static_cast<size_t>(i)] = sum;
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return std::sqrt(sum);
}

AdamW::AdamW(const ParameterSet& parameters, const AdamWParams& params) : params_(params) {
  for (const Parameter& parameter : parameters.all()) {
    const bool is_trained = parameter.is_trained();
    first_.push_back(is_trained ? Tensor::zeros(parameter.value.shape()) : Tensor());
    second_.push_back(is_trained ? Tensor::zeros(parameter.value.shape()) : Tensor());
  }
}

void AdamW::step(const ops::Context& ctx, ParameterSet& parameters, double learning_rate, double gradient_scale) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const auto beta1 = static_cast<float>(params_.beta1);
  const auto beta2 = static_cast<float>(params_.beta2);
  const auto rate = static_cast<float>(learning_rate / (1 - std::pow(params_.beta1, t)));
  const auto second_factor = static_cast<float>(1 / (1 - std::pow(params_.beta2, t)));
  const auto scale = static_cast<float>(gradient_scale);
  const auto eps = static_cast<float>(params_.eps);
  const std::vector<Chunk> chunks = chunks_of(parameters.all());
  ctx.team.for_each(static_cast<int64_t>(chunks.size()), [&](int64_t i, int) {
    const Chunk& chunk = chunks[static_cast<size_t>(i)];
    const Parameter& parameter = parameters.all()[chunk.parameter];
    float* value = parameter.value.f32();
    const float* gradient = parameter.gradient.f32();
    float* m = first_[chunk.parameter].f32();
    float* v = second_[chunk.parameter].f32();
    const auto kept = static_cast<float>(1 - (parameter.is_matrix ? learning_rate * params_.weight_decay : 0));
    for (int64_t j = chunk.begin; j < chunk.end; ++j) {
      const float g = gradient[j] * scale;
      m[j] = beta1 * m[j] + (1 - beta1) * g;
      v[j] = beta2 * v[j] + (1 - beta2) * g * g;
      value[j] = value[j] * kept - rate * m[j] / (std::sqrt(v[j] * second_factor) + eps);
    }
  });
}

}  // namespace fathom::train
