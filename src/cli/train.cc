// fathom train: a run from a recipe.

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "train/trainer.h"

namespace fathom::cli {
namespace {

struct TrainFlags {
  std::string recipe;
  int threads = 0;
};

using Clock = std::chrono::steady_clock;

// A line about every second, and for every step that says something of its own.
class Log {
 public:
  void show(const train::StepReport& r) {
    const auto now = Clock::now();
    const bool is_due = now - last_ >= std::chrono::seconds(1) || r.step == r.steps;
    if (!is_due && !r.heldout_loss && !r.is_skipped) return;
    last_ = now;
    if (r.is_skipped) {
      fmt::print("step {}/{}  skipped: loss or gradient is not finite\n", r.step, r.steps);
      std::fflush(stdout);
      return;
    }
    const double left = static_cast<double>(r.steps - r.step) * static_cast<double>(r.tokens) /
                        static_cast<double>(r.step) / r.tokens_per_second;
    fmt::print(
        "step {}/{}  loss {:.4f}{}  accuracy {:.1f} %  gradient {:.2f}  rate {:.2e}  MaxVio {:.2f}  {:.0f} tokens/s"
        "  {:.0f} s left{}\n",
        r.step, r.steps, r.loss, r.mtp_loss ? fmt::format("  mtp {:.4f}", *r.mtp_loss) : "", 100 * r.accuracy,
        r.gradient_norm, r.learning_rate, r.max_violation, r.tokens_per_second, left,
        r.heldout_loss ? fmt::format("  held out {:.4f}", *r.heldout_loss) : "");
    std::fflush(stdout);
  }

 private:
  Clock::time_point last_;
};

void run(const TrainFlags& flags) {
  const train::Recipe recipe = train::Recipe::read(flags.recipe);
  ThreadTeam team(flags.threads > 0 ? flags.threads : ThreadTeam::available_cores());
  CachingAllocator allocator;
  train::Trainer trainer(recipe, team, allocator);
  fmt::print("{:.1f} M parameters, {} steps of {} tokens{}\n", static_cast<double>(trainer.parameter_count()) / 1e6,
             recipe.steps, recipe.batch_tokens,
             trainer.step() > 0 ? fmt::format(", going on behind step {}", trainer.step()) : "");
  InterruptGuard guard;
  Log log;
  trainer.run([&](const train::StepReport& report) { log.show(report); }, InterruptGuard::is_interrupted);
  fmt::print("{} after step {}: {}\n", trainer.step() < recipe.steps ? "stopped and saved" : "done", trainer.step(),
             *train::newest_snapshot(recipe.out));
  fmt::print("memory of activations: {:.0f} MB at most\n", static_cast<double>(allocator.peak_bytes()) / 1e6);
}

}  // namespace

void add_train(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = app.add_subcommand("train", "train a model as a recipe says, or go on where a run was stopped");
  command->add_option("recipe", flags->recipe, "TOML file; src/train/recipe.h lists its keys")
      ->required()
      ->type_name("RECIPE");
  command->add_option("-t,--threads", flags->threads, "threads that compute; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->footer(
      "Control-C saves and exits; the same command goes on.\n"
      "Example:\n  fathom train recipes/quickstart.toml");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
