#include "train/inspect_train.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace fathom::train {
namespace {

// The published clipping adds it to the norm.
constexpr double kNormFloor = 1e-6;

Tensor copy(const Tensor& x) {
  Tensor out = Tensor::zeros(x.shape(), x.dtype());
  std::memcpy(out.data_bytes(), x.data_bytes(), x.bytes());
  return out;
}

std::vector<Sequence> sequences_of(const std::vector<std::vector<int32_t>>& rows, int64_t vocabulary) {
  std::vector<Sequence> out;
  for (const std::vector<int32_t>& row : rows) {
    if (row.size() < 2) {
      fail(ErrorCode::kInvalidArgument, "tokens", "found rows of {}, expected two tokens or more", row.size());
    }
    for (const int32_t token : row) {
      if (token >= 0 && token < vocabulary) continue;
      fail(ErrorCode::kInvalidArgument, "tokens", "{} is outside of the vocabulary of {}", token, vocabulary);
    }
    out.push_back({.inputs = {row.begin(), row.end() - 1}, .targets = {row.begin() + 1, row.end()}});
  }
  return out;
}

double number(const json::Reader& json, const char* key, double otherwise) {
  const auto found = json.find(key);
  return found ? found->as_double() : otherwise;
}

}  // namespace

InspectTrainSettings InspectTrainSettings::read(const json::Reader& json) {
  const json::Reader in = json.find("settings").value_or(json);
  InspectTrainSettings out;
  if (const auto steps = in.find("steps")) out.steps = steps->as_int(1, 1 << 20);
  out.learning_rate = number(in, "lr", out.learning_rate);
  out.optimizer.eps = number(in, "eps", out.optimizer.eps);
  out.optimizer.weight_decay = number(in, "weight_decay", out.optimizer.weight_decay);
  out.grad_clip = number(in, "grad_clip", out.grad_clip);
  out.bias_update_speed = number(in, "bias_update_speed", out.bias_update_speed);
  if (const auto betas = in.find("betas")) {
    const auto items = betas->items();
    if (items.size() != 2) betas->fail_expected("two numbers");
    out.optimizer.beta1 = items[0].as_double();
    out.optimizer.beta2 = items[1].as_double();
  }
  return out;
}

std::vector<std::pair<std::string, Tensor>> inspect_train(model::Transformer& model, const ops::Context& ctx,
                                                          const std::vector<std::vector<std::vector<int32_t>>>& batches,
                                                          const InspectTrainSettings& settings) {
  ParameterSet parameters(model, ctx);
  Optimizer optimizer(parameters.all(), settings.optimizer);
  std::vector<std::pair<std::string, Tensor>> out;
  std::vector<float> losses;
  std::vector<float> norms;
  for (size_t step = 0; step < batches.size(); ++step) {
    const std::vector<Sequence> sequences = sequences_of(batches[step], model.config().vocab_size);
    parameters.clear_gradients(ctx);
    const int64_t learned = target_count(sequences);
    const StepResult result = accumulate_gradients(model, ctx, parameters, sequences, {}, learned, 1);
    losses.push_back(static_cast<float>(result.main.nll / static_cast<double>(learned)));
    const double norm = gradient_norm(ctx, parameters.all());
    norms.push_back(static_cast<float>(norm));
    if (step == 0) {
      out.emplace_back("sequence_balance_loss_without_alpha",
                       Tensor::of({1}, std::vector{static_cast<float>(result.balance)}));
      for (const Parameter& parameter : parameters.all()) {
        if (parameter.is_trained()) out.emplace_back("grad." + parameter.name, copy(parameter.gradient));
      }
    }
    for (const auto& [layer, load] : result.expert_load) {
      const std::vector<int32_t> counts(load.begin(), load.end());
      out.emplace_back("step" + std::to_string(step) + ".layers." + std::to_string(layer) + ".expert_load",
                       Tensor::of({static_cast<int64_t>(counts.size())}, counts));
    }
    const double scale = std::min(1.0, settings.grad_clip / (norm + kNormFloor));
    optimizer.step(ctx, parameters.all(), settings.learning_rate, scale);
    update_correction_bias(parameters, result.expert_load, settings.bias_update_speed);
  }
  for (const Parameter& parameter : parameters.all()) out.emplace_back("after." + parameter.name, parameter.value);
  const auto steps = static_cast<int64_t>(losses.size());
  out.emplace_back("loss", Tensor::of({steps}, losses));
  out.emplace_back("grad_norm", Tensor::of({steps}, norms));
  return out;
}

}  // namespace fathom::train
