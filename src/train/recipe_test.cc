// Recipes and schedules.

#include "train/recipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "model/config.h"
#include "train/schedule.h"

namespace fathom::train {
namespace {

class RecipeTest : public testing::Test {
 protected:
  RecipeTest() {
    path_ =
        (std::filesystem::temp_directory_path() / ("fathom-recipe-" + std::to_string(::getpid()) + ".toml")).string();
  }
  ~RecipeTest() override { std::filesystem::remove(path_); }

  Recipe read(const std::string& text) const {
    std::ofstream(path_) << text;
    return Recipe::read(path_);
  }
  std::string error_of(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::string path_;
};

constexpr const char* kShort = "model = 'm.json'\nout = 'o'\n[[data]]\npath = 'd/train.tokens'\n";

TEST_F(RecipeTest, PathsAreRelativeToTheRecipe) {
  const Recipe r = read(kShort);
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  EXPECT_EQ(r.model, folder + "/m.json");
  EXPECT_EQ(r.data.at(0).path, folder + "/d/train.tokens");
  EXPECT_EQ(r.data.at(0).weight, 1);
  EXPECT_EQ(r.steps, 1000);
}

TEST_F(RecipeTest, ReadsEveryKey) {
  const Recipe r = read(
      "model = 'm'\ntokenizer = 't'\nout = 'o'\nseed = 3\ninit_deviation = 0.02\nheldout = ['h']\nsteps = 7\n"
      "batch_tokens = 64\nmicro_batch_tokens = 32\ncontext = 16\ncompute = 'f32'\ngrad_clip = 2\nrecompute = false\n"
      "bias_update_speed = 0\nbalance_alpha = 0.5\nmtp_weight = 0\nz_weight = 1e-4\nevaluate_every = 5\n"
      "checkpoint_every = 6\nkeep = 4\n[optimizer]\nlearning_rate = 0.1\nbeta1 = 0.8\nbeta2 = 0.9\neps = 1e-6\n"
      "weight_decay = 0\n[schedule]\nname = 'wsd'\nwarmup = 2\n[[data]]\npath = 'a'\nweight = 2\n[[data]]\npath = "
      "'b'\n");
  EXPECT_EQ(r.seed, 3U);
  EXPECT_FALSE(r.recompute);
  EXPECT_EQ(r.data.size(), 2U);
  EXPECT_EQ(r.data[0].weight, 2);
  EXPECT_EQ(r.optimizer.beta2, 0.9);
  EXPECT_EQ(r.schedule, "wsd");
  EXPECT_EQ(r.keep, 4);
  EXPECT_EQ(r.losses.balance_alpha, 0.5);
}

TEST_F(RecipeTest, ReadsOptimizerAdaptersAndStages) {
  const Recipe r = read(
      "model = 'm'\nout = 'o'\nramp_steps = 5\nramp_tokens = 8\n[optimizer]\nname = 'muon'\nmomentum = 0.9\n"
      "moments = 'bf16'\nweight_decay = 0.2\n[[optimizer.group]]\nmatch = '*norm*'\nrate = 0.5\n[lora]\nrank = 4\n"
      "targets = ['*o_proj*']\n[[data]]\npath = 'a'\n[[stage]]\nfrom = 3\ncontext = 9\nyarn_factor = 4\n"
      "weights = [2]\nmtp_weight = 0.1\n");
  EXPECT_EQ(r.optimizer.rule, OptimizerRule::kMuon);
  EXPECT_EQ(r.optimizer.momentum, 0.9);
  EXPECT_TRUE(r.optimizer.has_bf16_moments);
  ASSERT_EQ(r.optimizer.groups.size(), 1U);
  EXPECT_EQ(r.optimizer.groups[0].rate, 0.5);
  EXPECT_EQ(r.optimizer.groups[0].weight_decay, 0.2);
  EXPECT_EQ(r.lora.rank, 4);
  EXPECT_EQ(r.lora.alpha, 16);
  EXPECT_EQ(r.lora.targets, std::vector<std::string>{"*o_proj*"});
  EXPECT_EQ(r.ramp_steps, 5);
  EXPECT_EQ(r.ramp_tokens, 8);
  ASSERT_EQ(r.stages.size(), 1U);
  EXPECT_EQ(r.stages[0].from, 3);
  EXPECT_EQ(r.stages[0].context, 9);
  EXPECT_EQ(r.stages[0].yarn_factor, 4);
  EXPECT_EQ(r.stages[0].weights, std::vector<double>{2});
  EXPECT_EQ(r.stages[0].mtp_weight, 0.1);
}

TEST_F(RecipeTest, ErrorsNameLineAndKey) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> bad = {
      {std::string(kShort) + "[[stage]]\nfrom = 5\n[[stage]]\nfrom = 5\n", {"line 8", "rising"}},
      {std::string(kShort) + "[[stage]]\nweights = [1, 2]\n", {"line 6", "each of 1"}},
      {std::string(kShort) + "[optimizer]\nname = 'sgd'\n", {"line 6", "muon"}},
      {"model = ", {"line 1"}},
      {std::string("stepz = 3\n") + kShort, {"line 1", "stepz", "steps?"}},
      {std::string(kShort) + "[optimizer]\nlerning_rate = 1\n", {"line 6", "optimizer.learning_rate?"}},
      {std::string("steps = 'x'\n") + kShort, {"line 1", "steps", "whole number"}},
      {std::string("steps = 0\n") + kShort, {"line 1", "1 or more"}},
      {std::string("compute = 'fp4'\n") + kShort, {"compute", "bf16"}},
      {std::string("heldout = 'x'\n") + kShort, {"heldout", "list"}},
      {"out = 'o'\n[[data]]\npath = 'd'\n", {"model", "missing"}},
      {"model = 'm'\nout = 'o'\n", {"data", "missing"}},
      {"model = 'm'\nout = 'o'\n[[data]]\nweight = 1\n", {"no path"}},
      {"model = 'm'\nout = 'o'\ndata = 3\n", {"[[data]]"}},
      {std::string("grad_clip = 0\n") + kShort, {"line 1", "grad_clip", "above 0"}},
      {std::string("grad_clip = nan\n") + kShort, {"line 1", "grad_clip", "finite"}},
      {std::string("init_deviation = -0.1\n") + kShort, {"line 1", "init_deviation", "above 0"}},
      {std::string("bias_update_speed = -1\n") + kShort, {"line 1", "bias_update_speed", "0 or more"}},
      {std::string("balance_alpha = -1\n") + kShort, {"line 1", "balance_alpha", "0 or more"}},
      {std::string("mtp_weight = -1\n") + kShort, {"line 1", "mtp_weight", "0 or more"}},
      {std::string("z_weight = inf\n") + kShort, {"line 1", "z_weight", "finite"}},
      {std::string("spike_factor = -1\n") + kShort, {"line 1", "spike_factor", "0 or more"}},
      {std::string("ramp_steps = 3\n") + kShort, {"ramp_tokens", "found 0", "batch_tokens"}},
      {std::string("ramp_steps = 3\nramp_tokens = 4097\n") + kShort, {"line 2", "ramp_tokens", "4096"}},
      {std::string("steps = 50\n") + kShort, {"line 1", "steps", "schedule.warmup"}},
      {std::string(kShort) + "weight = -1\n", {"line 5", "data.weight", "0 or more"}},
      {std::string(kShort) + "weight = 0\n", {"line 3", "data", "are 0"}},
      {std::string(kShort) + "[optimizer]\nlearning_rate = 0\n", {"line 6", "optimizer.learning_rate", "above 0"}},
      {std::string(kShort) + "[optimizer]\nbeta1 = 1\n", {"line 6", "optimizer.beta1", "less than 1"}},
      {std::string(kShort) + "[optimizer]\nbeta2 = -0.1\n", {"line 6", "optimizer.beta2", "0 or more"}},
      {std::string(kShort) + "[optimizer]\nmomentum = 1.5\n", {"line 6", "optimizer.momentum", "less than 1"}},
      {std::string(kShort) + "[optimizer]\neps = 0\n", {"line 6", "optimizer.eps", "above 0"}},
      {std::string(kShort) + "[optimizer]\nweight_decay = -1\n", {"line 6", "optimizer.weight_decay", "0 or more"}},
      {std::string(kShort) + "[[optimizer.group]]\nmatch = 'x'\nrate = -1\n", {"line 7", "optimizer.group.rate"}},
      {std::string(kShort) + "[lora]\nalpha = 0\n", {"line 6", "lora.alpha", "above 0"}},
      {std::string(kShort) + "[schedule]\nname = 'cosign'\n", {"line 6", "schedule.name", "cosine"}},
      {std::string(kShort) + "[schedule]\nwarmup = 1000\n", {"line 6", "schedule.warmup", "1000 steps"}},
      {std::string(kShort) + "[[stage]]\nfrom = 1000\n", {"line 6", "stage.from", "1000 steps"}},
      {std::string(kShort) + "[[stage]]\nyarn_factor = 0.5\n", {"line 6", "stage.yarn_factor", "1 or more"}},
      {std::string(kShort) + "[[stage]]\nmtp_weight = -1\n", {"line 6", "stage.mtp_weight", "0 or more"}},
      {std::string(kShort) + "[[stage]]\nweights = [-1]\n", {"line 6", "stage.weights", "0 or more"}},
      {std::string(kShort) + "[[stage]]\nweights = [0]\n", {"line 6", "stage.weights", "are 0"}}};
  for (const auto& [text, says] : bad) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(path_), std::string::npos) << text << error;
    for (const std::string& part : says) EXPECT_NE(error.find(part), std::string::npos) << text << "\n" << error;
  }
  EXPECT_THROW(Recipe::read("nowhere.toml"), Error);
}

// Every recipe of the project can be read, and the shape that it names is one.
TEST(ProjectRecipes, AreRead) {
  int recipes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("recipes")) {
    if (entry.path().extension() != ".toml") continue;
    ++recipes;
    const Recipe recipe = Recipe::read(entry.path().string());
    if (!recipe.model.ends_with(".json")) continue;
    const json::Value config = json::parse_file(recipe.model);
    EXPECT_LE(recipe.context, model::read_config(json::Reader(config, recipe.model)).max_position_embeddings)
        << entry.path();
  }
  EXPECT_GT(recipes, 0);
}

TEST(Schedule, FollowsItsPhases) {
  const Schedule v3 = Schedule::named("v3", 20, 1000);
  EXPECT_NEAR(v3.factor(0), 0.025, 1e-9);
  EXPECT_NEAR(v3.factor(19), 0.975, 1e-9);
  EXPECT_EQ(v3.factor(20), 1);
  EXPECT_EQ(v3.factor(600), 1);
  EXPECT_LT(v3.factor(800), 0.9);
  EXPECT_NEAR(v3.factor(975), 0.1, 1e-9);
  EXPECT_NEAR(v3.factor(999), 0.0332, 1e-9);
  EXPECT_NEAR(v3.factor(5000), 0.0332, 1e-9);
  const Schedule wsd = Schedule::named("wsd", 0, 100);
  EXPECT_EQ(wsd.factor(79), 1);
  EXPECT_NEAR(wsd.factor(90), 0.475, 1e-9);
  EXPECT_NEAR(Schedule::named("cosine", 0, 100).factor(99), 0.1, 1e-3);
  EXPECT_NEAR(Schedule::named("linear", 0, 100).factor(49), 0.505, 1e-9);
  double last = 2;
  for (int64_t step = 20; step < 1000; ++step) {
    EXPECT_LE(v3.factor(step), last);
    last = v3.factor(step);
  }
  for (const std::string_view name : kScheduleNames) EXPECT_NO_THROW(Schedule::named(std::string(name), 0, 10)) << name;
  EXPECT_THROW(Schedule::named("cosign", 0, 10), Error);
  EXPECT_THROW(Schedule::named("v3", 10, 10), Error);
  EXPECT_THROW(Schedule({}, 10), Error);
  EXPECT_THROW(Schedule({{PhaseShape::kConstant, 0, 1, 1}}, 10), Error);
}

}  // namespace
}  // namespace fathom::train
