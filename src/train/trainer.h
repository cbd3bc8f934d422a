#pragma once
// A run: a recipe from its first step, or from where it was stopped, to its last.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "train/recipe.h"
#include "train/schedule.h"
#include "train/snapshot.h"

namespace fathom::train {

// What a step tells.
struct StepReport {
  int64_t step = 0;  // of the one that was done, from 1
  int64_t steps = 0;
  int64_t tokens = 0;  // of the run so far
  double loss = 0;     // nats a token
  std::optional<double> mtp_loss = {};
  double accuracy = 0;  // share of tokens that were the most likely ones
  double balance = 0;
  double max_violation = 0;  // MaxVio: largest load over mean load, minus 1, the mean over layers
  double gradient_norm = 0;
  double learning_rate = 0;
  int64_t batch_tokens = 0;
  int64_t context = 0;
  std::map<int64_t, std::vector<int64_t>> expert_load = {};  // by layer
  double tokens_per_second = 0;
  std::optional<double> heldout_loss = {};
  bool is_finite = true;    // its loss and gradient were
  bool is_spike = false;    // its loss stood far above those before it
  bool is_skipped = false;  // the weights stayed: it was not finite, or a spike that is skipped
};

class Trainer {
 public:
  // Reads model, data and, when `out` has one, the newest snapshot. Throws Error.
  Trainer(const Recipe& recipe, ThreadTeam& team, CachingAllocator& allocator);

  int64_t step() const { return state_.step; }
  int64_t parameter_count() const;
  // Of them those that are trained.
  int64_t trained_count() const;

  // Operations of a token's products with weights, forward and backward: 6 for each weight that it meets, of routed
  // experts only the chosen ones (multiply-adds count twice).
  double flops_per_token() const;
  const ops::Context& context() const { return ctx_; }

  // Steps until the recipe's last one, or until `should_stop` says so after a step; either way a snapshot is written.
  // `report` is called after every step. A line for each goes to OUT/metrics.jsonl. Throws Error for a full disk and
  // when too many steps in a row are not finite.
  void run(const std::function<void(const StepReport&)>& report, const std::function<bool()>& should_stop);

 private:
  // The base's weights, or the adapters alone.
  const std::vector<Parameter>& trained() const;
  // What holds for the step to come: the recipe with the stages before it.
  struct Settings {
    int64_t batch_tokens = 0;
    int64_t context = 0;
    StepParams losses;
  };
  Settings settings() const;
  // Enters the stages that begin at `step`, or, after a restart, those before it.
  void enter_stages(int64_t step, bool is_restart);
  void stretch_rope(double factor);
  StepReport one_step();
  // Losses and gradients of a step.
  void learn(const std::vector<Sequence>& sequences, const Settings& now, StepReport& report);
  // What they make of the weights.
  void judge(StepReport& report);
  void move_weights(const Settings& now, const StepReport& report);
  // Beginnings of the names of parameters that are not to move: those of modules that predict nothing.
  std::vector<std::string> resting(const Settings& now) const;
  double evaluate();
  // Lines of steps that a stopped run did behind its last snapshot go: they are done again.
  void drop_later_metrics() const;
  void write_metrics(const StepReport& report) const;
  void save();

  Recipe recipe_;
  json::Value config_;
  ops::Context ctx_;
  std::unique_ptr<model::Transformer> model_;
  std::unique_ptr<ParameterSet> parameters_;
  std::unique_ptr<Lora> lora_;  // null: all weights are trained
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<DataStream> data_;
  std::vector<std::shared_ptr<const TokenShard>> heldout_;
  Schedule schedule_;
  RunState state_;
  int64_t saved_step_ = -1;
  int not_finite_in_a_row_ = 0;
};

}  // namespace fathom::train
