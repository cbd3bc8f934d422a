#include "train/recipe.h"

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "base/mapped_file.h"
#include "train/schedule.h"

namespace fathom::train {
namespace {

// Insertions, deletions and changes of a letter that turn one word into the other.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

// What a number may be. Infinities and NaN lie in no range.
struct Range {
  double least;
  double most;
  const char* words;

  bool has(double value) const { return value >= least && value <= most; }
};
constexpr double kLargest = std::numeric_limits<float>::max();
constexpr Range kPositive = {std::numeric_limits<float>::min(), kLargest, "a finite number above 0"};
constexpr Range kNotNegative = {0, kLargest, "a finite number of 0 or more"};
constexpr Range kFraction = {0, 1 - std::numeric_limits<double>::epsilon() / 2, "0 or more and less than 1"};
constexpr Range kStretch = {1, kLargest, "a finite number of 1 or more"};

// Takes keys out of a table one by one; what is left at the end is unknown.
class Table {
 public:
  Table(const toml::table& table, std::string where, std::string prefix)
      : table_(table), where_(std::move(where)), prefix_(std::move(prefix)) {}

  void take(const char* key, std::string& value) { take_as(key, value, "a text"); }
  void take(const char* key, bool& value) { take_as(key, value, "true or false"); }

  void take(const char* key, double& value, const Range& range) {
    take_as(key, value, "a number");
    if (find(key) != nullptr && !range.has(value))
      refuse(key, fmt::format("found {}, expected {}", value, range.words));
  }

  void take(const char* key, int64_t& value, int64_t least) {
    take_as(key, value, "a whole number");
    if (value < least) refuse(key, fmt::format("found {}, expected {} or more", value, least));
  }

  // A list of texts.
  void take(const char* key, std::vector<std::string>& values) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_array()) refuse(key, "expected a list of texts");
    for (const toml::node& element : *node->as_array()) {
      const auto text = element.value_exact<std::string>();
      if (!text) refuse(key, "expected a list of texts");
      values.push_back(*text);
    }
  }

  // A list of numbers.
  void take(const char* key, std::vector<double>& values, const Range& range) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_array()) refuse(key, "expected a list of numbers");
    for (const toml::node& element : *node->as_array()) {
      const auto number = element.value<double>();
      if (!number) refuse(key, "expected a list of numbers");
      if (!range.has(*number)) refuse(key, fmt::format("found {}, expected {}", *number, range.words));
      values.push_back(*number);
    }
  }

  const toml::node* find(const char* key) {
    known_.emplace_back(key);
    return table_.get(key);
  }

  void refuse_unknown() const {
    for (const auto& [key, node] : table_) {
      const std::string_view name = key.str();
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      const auto nearest = std::min_element(known_.begin(), known_.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}{} is no key", prefix_, name),
                  fmt::format("{}: line {}", where_, node.source().begin.line),
                  fmt::format("do you mean {}{}?", prefix_, *nearest));
    }
  }

  [[noreturn]] void refuse(const char* key, const std::string& what) const {
    const toml::node* node = table_.get(key);
    const auto line = node == nullptr ? table_.source().begin.line : node->source().begin.line;
    throw Error(ErrorCode::kInvalidArgument, prefix_ + key + ": " + what, fmt::format("{}: line {}", where_, line));
  }

 private:
  template <typename T>
  void take_as(const char* key, T& value, const char* kind) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto found = node->value<T>();
    if (!found) refuse(key, std::string("expected ") + kind);
    value = *found;
  }

  const toml::table& table_;
  std::string where_;
  std::string prefix_;
  std::vector<std::string> known_;
};

// Calls read(table) for every table of a list of them.
template <typename Read>
void for_tables(Table& owner, const char* key, const std::string& path, const std::string& prefix, const Read& read) {
  const toml::node* node = owner.find(key);
  if (node == nullptr) return;
  if (!node->is_array_of_tables()) owner.refuse(key, fmt::format("expected [[{}{}]] tables", prefix, key));
  for (const toml::node& element : *node->as_array()) {
    Table table(*element.as_table(), path, prefix + key + ".");
    read(table);
    table.refuse_unknown();
  }
}

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

void read_optimizer(Table& table, const std::string& path, Recipe& r) {
  OptimizerParams& optimizer = r.optimizer;
  std::string rule = "adamw";
  std::string moments = "f32";
  table.take("name", rule);
  table.take("learning_rate", r.learning_rate, kPositive);
  table.take("beta1", optimizer.beta1, kFraction);
  table.take("beta2", optimizer.beta2, kFraction);
  table.take("eps", optimizer.eps, kPositive);
  table.take("weight_decay", optimizer.weight_decay, kNotNegative);
  table.take("momentum", optimizer.momentum, kFraction);
  table.take("moments", moments);
  if (rule != "adamw" && rule != "muon") table.refuse("name", "expected \"adamw\" or \"muon\"");
  if (moments != "f32" && moments != "bf16") table.refuse("moments", "expected \"f32\" or \"bf16\"");
  optimizer.rule = rule == "muon" ? OptimizerRule::kMuon : OptimizerRule::kAdamW;
  optimizer.has_bf16_moments = moments == "bf16";
  for_tables(table, "group", path, "optimizer.", [&](Table& group) {
    ParameterGroup out = {.match = "", .weight_decay = optimizer.weight_decay};
    group.take("match", out.match);
    group.take("weight_decay", out.weight_decay, kNotNegative);
    group.take("rate", out.rate, kNotNegative);
    if (out.match.empty()) group.refuse("match", "is missing");
    optimizer.groups.push_back(out);
  });
}

void read_stage(Table& table, Recipe& r) {
  RecipeStage stage;
  table.take("from", stage.from, 0);
  table.take("batch_tokens", stage.batch_tokens, 0);
  table.take("context", stage.context, 0);
  table.take("yarn_factor", stage.yarn_factor, kStretch);
  table.take("weights", stage.weights, kNotNegative);
  table.take("mtp_weight", stage.mtp_weight, kNotNegative);
  if (!r.stages.empty() && stage.from <= r.stages.back().from) table.refuse("from", "expected stages in rising order");
  if (stage.from >= r.steps) {
    table.refuse("from", fmt::format("found {}, expected fewer than the run's {} steps", stage.from, r.steps));
  }
  if (!stage.weights.empty() && stage.weights.size() != r.data.size()) {
    table.refuse("weights",
                 fmt::format("found {}, expected one for each of {} sources", stage.weights.size(), r.data.size()));
  }
  if (!stage.weights.empty() && sum_of(stage.weights) == 0) table.refuse("weights", "all of them are 0");
  r.stages.push_back(stage);
}

toml::table parse(const std::string& path) {
  try {
    return toml::parse(read_text_file(path), path);
  } catch (const toml::parse_error& error) {
    fail(ErrorCode::kInvalidData, fmt::format("{}: line {}", path, error.source().begin.line), "{}",
         error.description());
  }
}

void read_top(Table& top, Recipe& r) {
  top.take("model", r.model);
  top.take("tokenizer", r.tokenizer);
  top.take("out", r.out);
  auto seed = static_cast<int64_t>(r.seed);
  top.take("seed", seed, 0);
  r.seed = static_cast<uint64_t>(seed);
  top.take("init_deviation", r.init_deviation, kPositive);
  top.take("heldout", r.heldout);
  top.take("steps", r.steps, 1);
  top.take("batch_tokens", r.batch_tokens, 1);
  top.take("micro_batch_tokens", r.micro_batch_tokens, 0);
  top.take("ramp_steps", r.ramp_steps, 0);
  top.take("ramp_tokens", r.ramp_tokens, 0);
  if (r.ramp_steps > 0 && (r.ramp_tokens < 1 || r.ramp_tokens > r.batch_tokens)) {
    top.refuse("ramp_tokens",
               fmt::format("found {}, expected 1 up to the {} of batch_tokens", r.ramp_tokens, r.batch_tokens));
  }
  top.take("context", r.context, 1);
  top.take("compute", r.compute);
  if (r.compute != "bf16" && r.compute != "f32" && r.compute != "fp8") {
    top.refuse("compute", "expected \"bf16\", \"f32\" or \"fp8\"");
  }
  top.take("recompute", r.recompute);
  top.take("evaluate_every", r.evaluate_every, 0);
  top.take("checkpoint_every", r.checkpoint_every, 1);
  top.take("keep", r.keep, 1);
}

// What is made of losses and gradients.
void read_losses(Table& top, Recipe& r) {
  top.take("grad_clip", r.grad_clip, kPositive);
  top.take("bias_update_speed", r.bias_update_speed, kNotNegative);
  top.take("balance_alpha", r.losses.balance_alpha, kNotNegative);
  top.take("mtp_weight", r.losses.mtp_weight, kNotNegative);
  top.take("z_weight", r.losses.z_weight, kNotNegative);
  std::string on_bad_step = "skip";
  std::string on_spike = "report";
  top.take("on_bad_step", on_bad_step);
  top.take("spike_factor", r.spike_factor, kNotNegative);
  top.take("on_spike", on_spike);
  if (on_bad_step != "skip" && on_bad_step != "stop") top.refuse("on_bad_step", "expected \"skip\" or \"stop\"");
  if (on_spike != "report" && on_spike != "skip") top.refuse("on_spike", "expected \"report\" or \"skip\"");
  r.stops_when_skipping = on_bad_step == "stop";
  r.skips_spikes = on_spike == "skip";
}

void read_lora(Table& table, Recipe& r) {
  r.lora.rank = 8;
  std::vector<std::string> targets;
  table.take("rank", r.lora.rank, 1);
  table.take("alpha", r.lora.alpha, kPositive);
  table.take("targets", targets);
  if (!targets.empty()) r.lora.targets = targets;
}

void read_schedule(Table& table, Recipe& r) {
  table.take("name", r.schedule);
  table.take("warmup", r.warmup, 0);
  if (std::find(kScheduleNames.begin(), kScheduleNames.end(), r.schedule) == kScheduleNames.end()) {
    table.refuse("name", fmt::format("found '{}', expected v3, wsd, cosine, linear or constant", r.schedule));
  }
  if (r.warmup >= r.steps) {
    table.refuse("warmup", fmt::format("found {}, expected fewer than the run's {} steps", r.warmup, r.steps));
  }
}

void read_source(Table& table, Recipe& r) {
  RecipeSource source;
  table.take("path", source.path);
  table.take("weight", source.weight, kNotNegative);
  if (source.path.empty()) table.refuse("path", "a source has no path");
  r.data.push_back(source);
}

void read_tables(Table& top, const std::string& path, Recipe& r) {
  const auto table_of = [&](const char* key, const auto& read) {
    const toml::node* node = top.find(key);
    if (node == nullptr) return;
    if (!node->is_table()) top.refuse(key, "expected a table");
    Table table(*node->as_table(), path, std::string(key) + ".");
    read(table);
    table.refuse_unknown();
  };
  table_of("optimizer", [&](Table& table) { read_optimizer(table, path, r); });
  table_of("lora", [&](Table& table) { read_lora(table, r); });
  table_of("schedule", [&](Table& table) { read_schedule(table, r); });
  for_tables(top, "data", path, "", [&](Table& table) { read_source(table, r); });
  for_tables(top, "stage", path, "", [&](Table& table) { read_stage(table, r); });
}

// What no single key tells.
void check(const Table& top, const Recipe& r) {
  if (r.model.empty()) top.refuse("model", "is missing");
  if (r.out.empty()) top.refuse("out", "is missing");
  if (r.data.empty()) top.refuse("data", "is missing: expected [[data]] tables with path and weight");
  double sum = 0;
  for (const RecipeSource& source : r.data) sum += source.weight;
  if (sum == 0) top.refuse("data", "the weights of all sources are 0");
  if (r.warmup >= r.steps) {
    top.refuse("steps", fmt::format("found {}, expected more than the {} of schedule.warmup", r.steps, r.warmup));
  }
}

}  // namespace

Recipe Recipe::read(const std::string& path) {
  const toml::table root = parse(path);
  Recipe r;
  r.path = path;
  Table top(root, path, "");
  read_top(top, r);
  read_losses(top, r);
  read_tables(top, path, r);
  top.refuse_unknown();
  check(top, r);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const auto resolve = [&](std::string& file) {
    if (!file.empty()) file = (folder / file).lexically_normal().string();
  };
  for (std::string* file : {&r.model, &r.tokenizer, &r.out}) resolve(*file);
  for (std::string& file : r.heldout) resolve(file);
  for (RecipeSource& source : r.data) resolve(source.path);
  return r;
}

}  // namespace fathom::train
