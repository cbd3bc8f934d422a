#include "train/recipe.h"

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"

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

// Takes keys out of a table one by one; what is left at the end is unknown.
class Table {
 public:
  Table(const toml::table& table, std::string where, std::string prefix)
      : table_(table), where_(std::move(where)), prefix_(std::move(prefix)) {}

  void take(const char* key, std::string& value) { take_as(key, value, "a text"); }
  void take(const char* key, double& value) { take_as(key, value, "a number"); }
  void take(const char* key, bool& value) { take_as(key, value, "true or false"); }

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
  void take(const char* key, std::vector<double>& values) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_array()) refuse(key, "expected a list of numbers");
    for (const toml::node& element : *node->as_array()) {
      const auto number = element.value<double>();
      if (!number) refuse(key, "expected a list of numbers");
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

void read_optimizer(Table& table, const std::string& path, Recipe& r) {
  OptimizerParams& optimizer = r.optimizer;
  std::string rule = "adamw";
  std::string moments = "f32";
  table.take("name", rule);
  table.take("learning_rate", r.learning_rate);
  table.take("beta1", optimizer.beta1);
  table.take("beta2", optimizer.beta2);
  table.take("eps", optimizer.eps);
  table.take("weight_decay", optimizer.weight_decay);
  table.take("momentum", optimizer.momentum);
  table.take("moments", moments);
  if (rule != "adamw" && rule != "muon") table.refuse("name", "expected \"adamw\" or \"muon\"");
  if (moments != "f32" && moments != "bf16") table.refuse("moments", "expected \"f32\" or \"bf16\"");
  optimizer.rule = rule == "muon" ? OptimizerRule::kMuon : OptimizerRule::kAdamW;
  optimizer.has_bf16_moments = moments == "bf16";
  for_tables(table, "group", path, "optimizer.", [&](Table& group) {
    ParameterGroup out = {.match = "", .weight_decay = optimizer.weight_decay};
    group.take("match", out.match);
    group.take("weight_decay", out.weight_decay);
    group.take("rate", out.rate);
    if (out.match.empty()) group.refuse("match", "is missing");
    optimizer.groups.push_back(out);
  });
}

void read_stage(Table& table, Recipe& r) {
  RecipeStage stage;
  table.take("from", stage.from, 0);
  table.take("batch_tokens", stage.batch_tokens, 0);
  table.take("context", stage.context, 0);
  table.take("yarn_factor", stage.yarn_factor);
  table.take("weights", stage.weights);
  table.take("mtp_weight", stage.mtp_weight);
  if (!r.stages.empty() && stage.from <= r.stages.back().from) table.refuse("from", "expected stages in rising order");
  if (!stage.weights.empty() && stage.weights.size() != r.data.size()) {
    table.refuse("weights",
                 fmt::format("found {}, expected one for each of {} sources", stage.weights.size(), r.data.size()));
  }
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

}  // namespace

Recipe Recipe::read(const std::string& path) {
  const toml::table root = parse(path);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const auto resolve = [&](std::string& file) {
    if (!file.empty()) file = (folder / file).lexically_normal().string();
  };
  Recipe r;
  r.path = path;
  Table top(root, path, "");
  top.take("model", r.model);
  top.take("tokenizer", r.tokenizer);
  top.take("out", r.out);
  auto seed = static_cast<int64_t>(r.seed);
  top.take("seed", seed, 0);
  r.seed = static_cast<uint64_t>(seed);
  top.take("init_deviation", r.init_deviation);
  top.take("heldout", r.heldout);
  top.take("steps", r.steps, 1);
  top.take("batch_tokens", r.batch_tokens, 1);
  top.take("micro_batch_tokens", r.micro_batch_tokens, 0);
  top.take("ramp_steps", r.ramp_steps, 0);
  top.take("ramp_tokens", r.ramp_tokens, 0);
  top.take("context", r.context, 1);
  top.take("compute", r.compute);
  top.take("recompute", r.recompute);
  top.take("grad_clip", r.grad_clip);
  top.take("bias_update_speed", r.bias_update_speed);
  top.take("balance_alpha", r.losses.balance_alpha);
  top.take("mtp_weight", r.losses.mtp_weight);
  top.take("z_weight", r.losses.z_weight);
  std::string on_bad_step = "skip";
  std::string on_spike = "report";
  top.take("on_bad_step", on_bad_step);
  top.take("spike_factor", r.spike_factor);
  top.take("on_spike", on_spike);
  if (on_bad_step != "skip" && on_bad_step != "stop") top.refuse("on_bad_step", "expected \"skip\" or \"stop\"");
  if (on_spike != "report" && on_spike != "skip") top.refuse("on_spike", "expected \"report\" or \"skip\"");
  r.stops_when_skipping = on_bad_step == "stop";
  r.skips_spikes = on_spike == "skip";
  top.take("evaluate_every", r.evaluate_every, 0);
  top.take("checkpoint_every", r.checkpoint_every, 1);
  top.take("keep", r.keep, 1);
  const auto table_of = [&](const char* key, const auto& read) {
    const toml::node* node = top.find(key);
    if (node == nullptr) return;
    if (!node->is_table()) top.refuse(key, "expected a table");
    Table table(*node->as_table(), path, std::string(key) + ".");
    read(table);
    table.refuse_unknown();
  };
  table_of("optimizer", [&](Table& table) { read_optimizer(table, path, r); });
  table_of("lora", [&](Table& table) {
    r.lora.rank = 8;
    std::vector<std::string> targets;
    table.take("rank", r.lora.rank, 1);
    table.take("alpha", r.lora.alpha);
    table.take("targets", targets);
    if (!targets.empty()) r.lora.targets = targets;
  });
  table_of("schedule", [&](Table& table) {
    table.take("name", r.schedule);
    table.take("warmup", r.warmup, 0);
  });
  for_tables(top, "data", path, "", [&](Table& table) {
    RecipeSource source;
    table.take("path", source.path);
    table.take("weight", source.weight);
    resolve(source.path);
    r.data.push_back(source);
  });
  for (const RecipeSource& source : r.data) {
    if (source.path.empty()) top.refuse("data", "a source has no path");
  }
  for_tables(top, "stage", path, "", [&](Table& table) { read_stage(table, r); });
  top.refuse_unknown();
  for (const auto& [key, value] : {std::pair{"model", &r.model}, std::pair{"out", &r.out}}) {
    if (value->empty()) top.refuse(key, "is missing");
  }
  if (r.data.empty()) top.refuse("data", "is missing: expected [[data]] tables with path and weight");
  if (r.compute != "bf16" && r.compute != "f32" && r.compute != "fp8") {
    top.refuse("compute", "expected \"bf16\", \"f32\" or \"fp8\"");
  }
  for (std::string* file : {&r.model, &r.tokenizer, &r.out}) resolve(*file);
  for (std::string& file : r.heldout) resolve(file);
  return r;
}

}  // namespace fathom::train
