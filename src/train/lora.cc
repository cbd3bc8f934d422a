#include "train/lora.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "ops/gemm.h"

namespace fathom::train {
namespace {

using ops::Turned;
using ops::Workers;

constexpr std::string_view kWeight = ".weight";

bool fits(const LoraParams& params, const Parameter& parameter) {
  return parameter.is_matrix && parameter.is_trained() &&
         std::any_of(params.targets.begin(), params.targets.end(), [&](const std::string& pattern) {
           return fnmatch(pattern.c_str(), parameter.name.c_str(), 0) == 0;
         });
}

Parameter adapter(const std::string& name, const Shape& shape) {
  return {.name = name, .value = Tensor::zeros(shape), .gradient = Tensor::zeros(shape), .is_matrix = true};
}

void scale_by(const Tensor& x, float factor) {
  for (int64_t i = 0; i < x.count(); ++i) x.f32()[i] *= factor;
}

}  // namespace

Lora::Lora(const ParameterSet& base, const LoraParams& params, uint64_t seed) : params_(params) {
  uint64_t stream = 0;
  for (const Parameter& parameter : base.all()) {
    if (!fits(params, parameter)) continue;
    const int64_t out = parameter.value.dim(0);
    const int64_t in = parameter.value.dim(1);
    Tensor origin = Tensor::zeros({out, in});
    std::copy_n(parameter.value.f32(), origin.count(), origin.f32());
    adapted_.push_back({parameter.value, parameter.gradient, origin});
    std::string name = parameter.name;
    if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
    adapters_.push_back(adapter(name + ".lora_A.weight", {params.rank, in}));
    adapters_.push_back(adapter(name + ".lora_B.weight", {out, params.rank}));
    const RandomStream random(seed, stream++);
    const Tensor& a = adapters_[adapters_.size() - 2].value;
    const double deviation = 1 / std::sqrt(static_cast<double>(in));
    for (int64_t i = 0; i < a.count(); ++i) {
      a.f32()[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)) * deviation);
    }
  }
  if (adapted_.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "no matrix fits the patterns", "lora.targets",
                "names are those of the checkpoint, as model.layers.0.self_attn.o_proj.weight");
  }
}

void Lora::gather_gradients(const ops::Context& ctx) const {
  const auto scale = static_cast<float>(params_.alpha / static_cast<double>(params_.rank));
  for (size_t i = 0; i < adapted_.size(); ++i) {
    const Parameter& a = adapters_[2 * i];
    const Parameter& b = adapters_[2 * i + 1];
    const ops::Rows dw = ops::rows_of(adapted_[i].gradient);
    const int64_t in = a.value.dim(1);
    ops::gemm(ctx, ops::rows_of(b.value), Turned::kYes, ops::right_factor(ctx, dw, Turned::kNo, Workers::kTeam), in,
              a.gradient.f32(), in, false, Workers::kTeam);
    ops::gemm(ctx, dw, Turned::kNo, ops::right_factor(ctx, ops::rows_of(a.value), Turned::kYes, Workers::kTeam),
              params_.rank, b.gradient.f32(), params_.rank, false, Workers::kTeam);
    scale_by(a.gradient, scale);
    scale_by(b.gradient, scale);
  }
}

void Lora::apply(const ops::Context& ctx) const {
  // The sum must not lose what B A adds to BF16.
  ops::Context exact = ctx;
  exact.compute = ops::Compute::kF32;
  const auto scale = static_cast<float>(params_.alpha / static_cast<double>(params_.rank));
  for (size_t i = 0; i < adapted_.size(); ++i) {
    const Tensor& a = adapters_[2 * i].value;
    const Tensor& b = adapters_[2 * i + 1].value;
    const Tensor& w = adapted_[i].value;
    const Tensor scaled = ctx.empty(a.shape());
    std::copy_n(a.f32(), a.count(), scaled.f32());
    scale_by(scaled, scale);
    std::copy_n(adapted_[i].origin.f32(), w.count(), w.f32());
    ops::gemm(exact, ops::rows_of(b), Turned::kNo,
              ops::right_factor(exact, ops::rows_of(scaled), Turned::kNo, Workers::kTeam), w.dim(1), w.f32(), w.dim(1),
              true, Workers::kTeam);
  }
}

}  // namespace fathom::train
