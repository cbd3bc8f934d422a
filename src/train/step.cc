#include "train/step.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace fathom::train {
namespace {

using kernels::kPageTokens;

// Counts the tokens of each expert.
class LoadProbe : public ops::Probe {
 public:
  LoadProbe(std::map<int64_t, std::vector<int64_t>>& load, int64_t experts) : load_(load), experts_(experts) {}

  void record(const std::string& name, const Tensor& value) override {
    static constexpr std::string_view kPrefix = "layers.";
    if (!name.ends_with(".topk_ids") || !name.starts_with(kPrefix)) return;
    int64_t layer = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
    std::vector<int64_t>& load = load_[layer];
    load.resize(static_cast<size_t>(experts_));
    for (int64_t i = 0; i < value.count(); ++i) ++load[static_cast<size_t>(value.i32()[i])];
  }

 private:
  std::map<int64_t, std::vector<int64_t>>& load_;
  int64_t experts_;
};

ops::TokenBatch pack(std::span<const Sequence> sequences) {
  ops::TokenBatch batch;
  int32_t page = 0;
  for (const Sequence& sequence : sequences) {
    FATHOM_CHECK(sequence.inputs.size() == sequence.targets.size());
    const int64_t begin = batch.size();
    ops::Span span = {.begin = begin, .end = begin + static_cast<int64_t>(sequence.inputs.size()), .pages = {}};
    for (int64_t i = 0; i < ceil_div(span.length(), kPageTokens); ++i) span.pages.push_back(page++);
    batch.tokens.insert(batch.tokens.end(), sequence.inputs.begin(), sequence.inputs.end());
    batch.spans.push_back(std::move(span));
  }
  return batch;
}

int64_t page_count(const ops::TokenBatch& batch) {
  int64_t pages = 0;
  for (const ops::Span& span : batch.spans) pages += static_cast<int64_t>(span.pages.size());
  return pages;
}

// Each sequence's values from `depth` positions on, filled up with `filler`.
std::vector<int32_t> shifted(std::span<const Sequence> sequences, const std::vector<int32_t> Sequence::*values,
                             int64_t depth, int32_t filler) {
  std::vector<int32_t> out;
  for (const Sequence& sequence : sequences) {
    const auto& from = sequence.*values;
    const int64_t skipped = std::min(depth, static_cast<int64_t>(from.size()));
    out.insert(out.end(), from.begin() + skipped, from.end());
    out.insert(out.end(), static_cast<size_t>(skipped), filler);
  }
  return out;
}

}  // namespace

int64_t target_count(std::span<const Sequence> sequences) {
  int64_t count = 0;
  for (const Sequence& sequence : sequences) {
    count += std::count_if(sequence.targets.begin(), sequence.targets.end(),
                           [](int32_t target) { return target != ops::kNoTarget; });
  }
  return count;
}

StepResult accumulate_gradients(const model::Transformer& model, const ops::Context& ctx,
                                const ParameterSet& parameters, std::span<const Sequence> sequences,
                                const StepParams& params, int64_t learned_tokens, double share) {
  StepResult result;
  LoadProbe probe(result.expert_load, model.config().n_routed_experts);
  ops::BalanceLoss balance = {.alpha = params.balance_alpha * share};
  ops::Tape tape;
  parameters.watch(tape);
  ops::Context training = ctx;
  training.tape = &tape;
  training.balance = &balance;
  training.probe = &probe;
  training.mla_form = ops::MlaForm::kExpanded;

  const ops::TokenBatch batch = pack(sequences);
  ops::LatentCache cache(model.cache_shape(), ctx.compute, page_count(batch));
  const double factor = 1.0 / static_cast<double>(std::max<int64_t>(1, learned_tokens));
  Tensor hidden_TD = model.forward(training, batch, cache);
  result.main = model.loss(training, hidden_TD, shifted(sequences, &Sequence::targets, 0, ops::kNoTarget),
                           {.factor = factor, .z_weight = params.z_weight});
  if (params.mtp_weight > 0) {
    const double mtp_factor = factor * params.mtp_weight / static_cast<double>(model.mtp().size());
    int64_t depth = 0;
    for (const model::MtpModule& module : model.mtp()) {
      ++depth;
      ops::TokenBatch later = batch;
      later.tokens = shifted(sequences, &Sequence::inputs, depth, 0);
      hidden_TD = module.forward(training, module.embed(training, later.tokens), hidden_TD, later, cache);
      result.mtp.push_back(module.loss(
          training, hidden_TD, shifted(sequences, &Sequence::targets, depth, ops::kNoTarget), {.factor = mtp_factor}));
    }
  }
  result.balance = balance.loss;
  tape.backward(training);
  return result;
}

ops::CrossEntropyLoss forward_loss(const model::Transformer& model, const ops::Context& ctx,
                                   std::span<const Sequence> sequences) {
  const ops::TokenBatch batch = pack(sequences);
  ops::LatentCache cache(model.cache_shape(), ctx.compute, page_count(batch));
  const Tensor hidden_TD = model.forward(ctx, batch, cache);
  return model.loss(ctx, hidden_TD, shifted(sequences, &Sequence::targets, 0, ops::kNoTarget), {});
}

void update_correction_bias(ParameterSet& parameters, const std::map<int64_t, std::vector<int64_t>>& expert_load,
                            double speed) {
  for (const auto& [layer, load] : expert_load) {
    Parameter* bias = parameters.find("model.layers." + std::to_string(layer) + ".mlp.gate.e_score_correction_bias");
    if (bias == nullptr) continue;
    double mean = 0;
    for (const int64_t tokens : load) mean += static_cast<double>(tokens) / static_cast<double>(load.size());
    for (size_t e = 0; e < load.size(); ++e) {
      const double lack = mean - static_cast<double>(load[e]);
      bias->value.f32()[e] += static_cast<float>(lack > 0 ? speed : lack < 0 ? -speed : 0);
    }
  }
}

}  // namespace fathom::train
