// fathom train: a run from a recipe.

#include <memory>

#include "cli/command.h"
#include "cli/training.h"

namespace fathom::cli {
namespace {

struct TrainFlags {
  std::string recipe;
  int threads = 0;
  DashboardFlags dashboard;
};

void run(const TrainFlags& flags) {
  const train::Recipe recipe = train::Recipe::read(flags.recipe);
  ThreadTeam team(flags.threads > 0 ? flags.threads : ThreadTeam::available_cores());
  CachingAllocator allocator;
  train::Trainer trainer(recipe, team, allocator);
  train_and_show(trainer, recipe, allocator, flags.dashboard);
}

}  // namespace

void add_train(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = app.add_subcommand("train", "train a model as a recipe says, or go on where a run was stopped");
  command->add_option("recipe", flags->recipe, "TOML file; docs/training.md lists its keys")
      ->required()
      ->type_name("RECIPE");
  command->add_option("-t,--threads", flags->threads, "threads that compute; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  flags->dashboard.add_to(*command);
  command->footer(
      "Control-C saves and exits; the same command goes on.\n"
      "Example:\n  fathom train recipes/quickstart/train.toml");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
