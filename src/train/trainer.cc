#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "train/run_checks.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

// The published clipping adds it to the norm.
constexpr double kNormFloor = 1e-6;
// Steps in a row that may be skipped because they are not finite.
constexpr int kMostSkipped = 10;
// Held-out inputs that are looked at.
constexpr int64_t kHeldoutTokens = 1 << 15;

std::string config_path(const std::string& model) { return fs::is_directory(model) ? model + "/config.json" : model; }

// First weights (V3 report, section 4.2): normal for matrices, one for norms, zero for biases.
void initialise(ParameterSet& parameters, uint64_t seed, double deviation) {
  uint64_t stream = 0;
  for (Parameter& parameter : parameters.all()) {
    const RandomStream random(seed, stream++);
    float* value = parameter.value.f32();
    for (int64_t i = 0; i < parameter.value.count(); ++i) {
      if (parameter.is_matrix) {
        value[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)) * deviation);
      } else {
        value[i] = parameter.name.ends_with("bias") ? 0.0F : 1.0F;
      }
    }
  }
}

// Largest load over mean load minus 1, the mean over layers.
double max_violation(const std::map<int64_t, std::vector<int64_t>>& load) {
  double sum = 0;
  for (const auto& [layer, tokens] : load) {
    int64_t total = 0;
    for (const int64_t n : tokens) total += n;
    const double mean = static_cast<double>(total) / static_cast<double>(tokens.size());
    sum += static_cast<double>(*std::max_element(tokens.begin(), tokens.end())) / mean - 1;
  }
  return load.empty() ? 0 : sum / static_cast<double>(load.size());
}

// Cuts a step's sequences into parts of about `tokens` inputs.
std::vector<std::span<const Sequence>> parts_of(const std::vector<Sequence>& sequences, int64_t tokens) {
  std::vector<std::span<const Sequence>> parts;
  size_t begin = 0;
  int64_t count = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto length = static_cast<int64_t>(sequences[i].inputs.size());
    if (tokens > 0 && count > 0 && count + length > tokens) {
      parts.push_back(std::span(sequences).subspan(begin, i - begin));
      begin = i;
      count = 0;
    }
    count += length;
  }
  parts.push_back(std::span(sequences).subspan(begin));
  return parts;
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, ThreadTeam& team, CachingAllocator& allocator)
    : recipe_(recipe),
      config_(json::parse_file(config_path(recipe.model))),
      ctx_{.team = team,
           .allocator = allocator,
           .kernels = kernels::kernel_table(chosen_isa()),
           .compute = recipe.compute == "bf16" ? ops::Compute::kBF16 : ops::Compute::kF32,
           .mla_form = ops::MlaForm::kExpanded,
           .trains_in_fp8 = recipe.compute == "fp8",
           .recomputes = recipe.recompute},
      model_(
          std::make_unique<model::Transformer>(model::read_config(json::Reader(config_, config_path(recipe.model))))),
      schedule_(Schedule::named(recipe.schedule, recipe.warmup, recipe.steps)) {
  check_context(recipe, config_);
  if (fs::is_directory(recipe.model)) {
    checkpoint::WeightBinder binder(checkpoint::Checkpoint::open(recipe.model));
    model_->visit(binder);
  }
  parameters_ = std::make_unique<ParameterSet>(*model_, ctx_);
  if (!fs::is_directory(recipe.model)) initialise(*parameters_, recipe.seed, recipe.init_deviation);
  if (recipe.lora.rank > 0) lora_ = std::make_unique<Lora>(*parameters_, recipe.lora, recipe.seed);
  optimizer_ = std::make_unique<Optimizer>(trained(), recipe.optimizer);
  const std::optional<uint64_t> hash = tokenizer_hash(recipe);
  const auto open = [&](const std::string& path) {
    auto shard = TokenShard::open(path);
    check_shard(*shard, model_->config().vocab_size, hash);
    return shard;
  };
  std::vector<DataSource> sources;
  for (const RecipeSource& source : recipe.data) sources.push_back({open(source.path), source.weight});
  data_ = std::make_unique<DataStream>(std::move(sources), recipe.seed);
  for (const std::string& path : recipe.heldout) heldout_.push_back(open(path));
  if (const auto folder = newest_snapshot(recipe.out)) {
    state_ = read_snapshot(*folder, *parameters_, lora_.get(), *optimizer_);
    enter_stages(state_.step, true);
    data_->seek(state_.data);
    saved_step_ = state_.step;
  }
}

const std::vector<Parameter>& Trainer::trained() const { return lora_ ? lora_->parameters() : parameters_->all(); }

Trainer::Settings Trainer::settings() const {
  Settings out = {.batch_tokens = recipe_.batch_tokens, .context = recipe_.context, .losses = recipe_.losses};
  for (const RecipeStage& stage : recipe_.stages) {
    if (stage.from > state_.step) break;
    if (stage.batch_tokens > 0) out.batch_tokens = stage.batch_tokens;
    if (stage.context > 0) out.context = stage.context;
    if (stage.mtp_weight >= 0) out.losses.mtp_weight = stage.mtp_weight;
  }
  if (state_.step < recipe_.ramp_steps) {
    const double done = static_cast<double>(state_.step) / static_cast<double>(recipe_.ramp_steps);
    const auto more = static_cast<double>(out.batch_tokens - recipe_.ramp_tokens);
    out.batch_tokens = recipe_.ramp_tokens + static_cast<int64_t>(done * more);
  }
  return out;
}

void Trainer::enter_stages(int64_t step, bool is_restart) {
  for (const RecipeStage& stage : recipe_.stages) {
    // A stage that begins at the restart's very step is entered when that step is made, as without the restart.
    const bool is_entered = is_restart ? stage.from < step : stage.from == step;
    if (!is_entered) continue;
    // Losses of other data, lengths or angles tell nothing of those to come. After a restart it is what was saved.
    if (!is_restart) state_.watch = {};
    if (stage.yarn_factor > 0) stretch_rope(stage.yarn_factor);
    if (!stage.weights.empty()) data_->set_weights(stage.weights);
  }
}

// The same weights read by a model of longer reach (Peng et al. 2023; V3 report, section 4.3).
void Trainer::stretch_rope(double factor) {
  json::Object config = config_.as_object();
  const int64_t original = original_positions(config_);
  config["max_position_embeddings"] = static_cast<int64_t>(factor * static_cast<double>(original));
  config["rope_scaling"] = json::Object{{"type", "yarn"},
                                        {"factor", factor},
                                        {"beta_fast", 32},
                                        {"beta_slow", 1},
                                        {"mscale", 1.0},
                                        {"mscale_all_dim", 1.0},
                                        {"original_max_position_embeddings", original}};
  config_ = config;
  model_ = std::make_unique<model::Transformer>(model::read_config(json::Reader(config_, config_path(recipe_.model))));
  parameters_->bind(*model_);
}

int64_t Trainer::parameter_count() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_->all()) count += parameter.value.count();
  return count;
}

double Trainer::flops_per_token() const {
  const model::ModelConfig& config = model_->config();
  const double chosen = config.n_routed_experts > 0 ? static_cast<double>(config.num_experts_per_tok) /
                                                          static_cast<double>(config.n_routed_experts)
                                                    : 1;
  double weights = 0;
  for (const Parameter& parameter : parameters_->all()) {
    const std::string& name = parameter.name;
    if (!parameter.is_matrix || name.find("embed_tokens") != std::string::npos) continue;
    const auto count = static_cast<double>(parameter.value.count());
    weights += name.find(".mlp.experts.") != std::string::npos ? chosen * count : count;
    // The modules predict through the model's own head.
    if (name == "lm_head.weight") weights += static_cast<double>(model_->mtp().size()) * count;
  }
  return 6 * weights;
}

int64_t Trainer::trained_count() const {
  int64_t count = 0;
  for (const Parameter& parameter : trained()) count += parameter.is_trained() ? parameter.value.count() : 0;
  return count;
}

StepReport Trainer::one_step() {
  const auto started = std::chrono::steady_clock::now();
  enter_stages(state_.step, false);
  const Settings now = settings();
  const std::vector<Sequence> sequences = data_->next(now.batch_tokens, now.context);
  StepReport report = {.step = state_.step + 1, .steps = recipe_.steps, .context = now.context};
  for (const Sequence& sequence : sequences) report.batch_tokens += static_cast<int64_t>(sequence.inputs.size());
  learn(sequences, now, report);
  judge(report);
  if (!report.is_skipped) move_weights(now, report);
  ++state_.step;
  state_.tokens += report.batch_tokens;
  state_.data = data_->position();
  report.tokens = state_.tokens;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  report.tokens_per_second = static_cast<double>(report.batch_tokens) / seconds;
  return report;
}

void Trainer::learn(const std::vector<Sequence>& sequences, const Settings& now, StepReport& report) {
  const int64_t learned = target_count(sequences);
  parameters_->clear_gradients(ctx_);
  parameters_->refresh_fp8();
  double nll = 0;
  double mtp = 0;
  int64_t hits = 0;
  for (const auto part : parts_of(sequences, recipe_.micro_batch_tokens)) {
    const double share = static_cast<double>(part.size()) / static_cast<double>(sequences.size());
    const StepResult result = accumulate_gradients(*model_, ctx_, *parameters_, part, now.losses, learned, share);
    nll += result.main.nll;
    hits += result.main.hits;
    report.balance += result.balance * share;
    for (const auto& loss : result.mtp)
      mtp += loss.nll / static_cast<double>(std::max<int64_t>(1, loss.tokens)) * share;
    for (const auto& [layer, tokens] : result.expert_load) {
      auto& sum = report.expert_load[layer];
      sum.resize(tokens.size());
      for (size_t e = 0; e < tokens.size(); ++e) sum[e] += tokens[e];
    }
  }
  const auto count = static_cast<double>(std::max<int64_t>(1, learned));
  report.loss = nll / count;
  report.accuracy = static_cast<double>(hits) / count;
  if (now.losses.mtp_weight > 0 && !model_->mtp().empty()) {
    report.mtp_loss = mtp / static_cast<double>(model_->mtp().size());
  }
  report.max_violation = max_violation(report.expert_load);
  if (lora_) lora_->gather_gradients(ctx_);
  report.gradient_norm = gradient_norm(ctx_, trained());
}

void Trainer::judge(StepReport& report) {
  report.learning_rate = recipe_.learning_rate * schedule_.factor(state_.step);
  report.is_finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  report.is_spike =
      report.is_finite && recipe_.spike_factor > 0 && state_.watch.is_spike(report.loss, recipe_.spike_factor);
  report.is_skipped = !report.is_finite || (report.is_spike && recipe_.skips_spikes);
  not_finite_in_a_row_ = report.is_finite ? 0 : not_finite_in_a_row_ + 1;
}

std::vector<std::string> Trainer::resting(const Settings& now) const {
  std::vector<std::string> out;
  if (now.losses.mtp_weight > 0) return out;
  for (size_t i = 0; i < model_->mtp().size(); ++i) {
    out.push_back(fmt::format("model.layers.{}.", static_cast<size_t>(model_->config().num_hidden_layers) + i));
  }
  return out;
}

void Trainer::move_weights(const Settings& now, const StepReport& report) {
  const double clip = std::min(1.0, recipe_.grad_clip / (report.gradient_norm + kNormFloor));
  optimizer_->step(ctx_, trained(), report.learning_rate, clip, resting(now));
  if (lora_) {
    lora_->apply(ctx_);
  } else {
    update_correction_bias(*parameters_, report.expert_load, recipe_.bias_update_speed);
  }
}

double Trainer::evaluate() {
  // Not the weights as they were before the step.
  parameters_->refresh_fp8();
  double nll = 0;
  int64_t tokens = 0;
  for (const auto& shard : heldout_) {
    DataStream stream({{shard, 1}}, 0);
    for (int64_t left = std::min(kHeldoutTokens, shard->tokens() - shard->documents()); left > 0;) {
      const auto sequences = stream.next(std::min(left, recipe_.batch_tokens), settings().context);
      const ops::CrossEntropyLoss loss = forward_loss(*model_, ctx_, sequences);
      nll += loss.nll;
      tokens += loss.tokens;
      for (const Sequence& sequence : sequences) left -= static_cast<int64_t>(sequence.inputs.size());
    }
  }
  return nll / static_cast<double>(std::max<int64_t>(1, tokens));
}

void Trainer::drop_later_metrics() const {
  const std::string path = recipe_.out + "/metrics.jsonl";
  if (!fs::exists(path)) return;
  std::ifstream in(path, std::ios::binary);
  std::string kept;
  std::string line;
  while (std::getline(in, line)) {
    try {
      const json::Value value = json::parse(line, path);
      if (json::Reader(value, path).get("step").as_int() <= state_.step) kept += line + "\n";
    } catch (const Error&) {
      // The line that a killed process was writing.
    }
  }
  AtomicFile file(path);
  file.write(kept);
  file.commit();
}

void Trainer::write_metrics(const StepReport& r) const {
  json::Object line = {{"step", r.step},
                       {"tokens", r.tokens},
                       {"loss", r.loss},
                       {"accuracy", r.accuracy},
                       {"balance", r.balance},
                       {"max_violation", r.max_violation},
                       {"gradient_norm", r.gradient_norm},
                       {"learning_rate", r.learning_rate},
                       {"batch_tokens", r.batch_tokens},
                       {"context", r.context},
                       {"tokens_per_second", r.tokens_per_second}};
  if (r.mtp_loss) line["mtp_loss"] = *r.mtp_loss;
  json::Object load;
  for (const auto& [layer, tokens] : r.expert_load)
    load[std::to_string(layer)] = json::Array(tokens.begin(), tokens.end());
  line["expert_load"] = load;
  if (r.is_spike) line["spike"] = true;
  if (!r.is_finite) line = {{"step", r.step}, {"tokens", r.tokens}};
  if (r.is_skipped) line["skipped"] = true;
  if (r.heldout_loss && std::isfinite(*r.heldout_loss)) line["heldout_loss"] = *r.heldout_loss;
  const std::string path = recipe_.out + "/metrics.jsonl";
  const std::string text = json::dump(line) + "\n";
  std::FILE* file = std::fopen(path.c_str(), "ab");
  const bool is_written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && std::fclose(file) != 0) || !is_written) fail(ErrorCode::kIo, path, "cannot write");
}

void Trainer::save() {
  if (saved_step_ == state_.step) return;
  write_snapshot(recipe_.out, config_, recipe_.tokenizer, *parameters_, lora_.get(), *optimizer_, state_, recipe_.keep);
  saved_step_ = state_.step;
}

void Trainer::run(const std::function<void(const StepReport&)>& report, const std::function<bool()>& should_stop) {
  std::error_code error;
  fs::create_directories(recipe_.out, error);
  if (error) fail(ErrorCode::kIo, recipe_.out, "cannot create: {}", error.message());
  drop_later_metrics();
  while (state_.step < recipe_.steps) {
    StepReport done = one_step();
    const bool is_last = state_.step == recipe_.steps;
    const bool evaluates = recipe_.evaluate_every > 0 && (state_.step % recipe_.evaluate_every == 0 || is_last);
    if (evaluates && !heldout_.empty()) done.heldout_loss = evaluate();
    write_metrics(done);
    report(done);
    if (!done.is_finite && recipe_.stops_when_skipping) {
      fail(ErrorCode::kInvalidData, recipe_.path,
           "step {} had a loss or gradient that is not finite, and on_bad_step is \"stop\"", done.step);
    }
    if (not_finite_in_a_row_ > kMostSkipped) {
      fail(ErrorCode::kInvalidData, recipe_.path,
           "{} steps in a row had a loss or gradient that is not finite; a lower learning_rate may help",
           not_finite_in_a_row_);
    }
    if (state_.step % recipe_.checkpoint_every == 0) save();
    if (should_stop()) break;
  }
  save();
}

}  // namespace fathom::train
