// Runs: what is left of one that was stopped, killed or cheated of its disk goes on as if nothing had happened.

#include "train/trainer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"({"model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"],
  "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "max_position_embeddings": 32,
  "num_attention_heads": 2, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4,
  "v_head_dim": 4, "intermediate_size": 24, "first_k_dense_replace": 1, "moe_intermediate_size": 8,
  "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
  "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true, "routed_scaling_factor": 1.0,
  "num_nextn_predict_layers": 1, "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 1})";

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    std::string name = (fs::temp_directory_path() / "fathom-trainer-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(path("config.json")) << kConfig;
    const RandomStream random(4, 0);
    std::vector<Document> documents;
    for (uint64_t d = 0; d < 40; ++d) {
      documents.emplace_back();
      // Counting from somewhere: soon learned.
      const auto from = static_cast<int32_t>(random.bits(d) % 40);
      for (int32_t t = 0; t < 5 + static_cast<int32_t>(d % 11); ++t) documents.back().emplace_back(2 + from + t, true);
    }
    write_token_shard(path("a.tokens"), documents, 64, 7, 99);
    write_token_shard(path("b.tokens"), documents, 64, 7, 99);
  }
  ~TrainerTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  Recipe recipe(const std::string& out, const std::string& more = "") const {
    const std::string file = path(out + ".toml");
    std::ofstream(file) << "model = 'config.json'\nout = '" + out +
                               "'\nsteps = 12\nbatch_tokens = 48\nmicro_batch_tokens = 24\ncontext = 12\n"
                               "init_deviation = 0.05\nevaluate_every = 4\ncheckpoint_every = 3\n"
                               "heldout = ['a.tokens']\n" +
                               more +
                               "[[data]]\npath = 'a.tokens'\nweight = 2\n[[data]]\npath = 'b.tokens'\n"
                               "[schedule]\nname = 'cosine'\nwarmup = 3\n[optimizer]\nlearning_rate = 1e-2\n";
    return Recipe::read(file);
  }

  // Runs until the recipe's end or a number of steps; the reports by step.
  std::vector<StepReport> run(const Recipe& recipe, int64_t most = 1 << 20, int threads = 2) {
    ThreadTeam team(threads);
    CachingAllocator allocator;
    Trainer trainer(recipe, team, allocator);
    std::vector<StepReport> reports;
    trainer.run([&](const StepReport& r) { reports.push_back(r); },
                [&] { return static_cast<int64_t>(reports.size()) >= most; });
    return reports;
  }

  std::string folder_;
};

void expect_same(const StepReport& a, const StepReport& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.loss, b.loss) << a.step;
  EXPECT_EQ(a.mtp_loss, b.mtp_loss) << a.step;
  EXPECT_EQ(a.gradient_norm, b.gradient_norm) << a.step;
  EXPECT_EQ(a.learning_rate, b.learning_rate) << a.step;
  EXPECT_EQ(a.heldout_loss, b.heldout_loss) << a.step;
  EXPECT_EQ(a.expert_load, b.expert_load) << a.step;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST_F(TrainerTest, LearnsAndIsTheSameTwice) {
  const auto first = run(recipe("one"));
  const auto second = run(recipe("two"));
  ASSERT_EQ(first.size(), 12U);
  EXPECT_LT(first.back().loss, first.front().loss);
  for (size_t i = 0; i < first.size(); ++i) expect_same(first[i], second[i]);
  EXPECT_TRUE(first[3].heldout_loss);
  EXPECT_FALSE(first[4].heldout_loss);
}

TEST_F(TrainerTest, RecomputesWithoutChangingABit) {
  const auto kept = run(recipe("kept", "recompute = false\n"));
  const auto again = run(recipe("again", "recompute = true\n"));
  for (size_t i = 0; i < kept.size(); ++i) expect_same(kept[i], again[i]);
}

// Every kind of state: both optimizers' moments in both formats, master copies, stages, ramps, adapters.
TEST_F(TrainerTest, GoesOnBitForBitAfterAStop) {
  const std::string stages =
      "ramp_steps = 4\nramp_tokens = 24\n[[stage]]\nfrom = 4\nweights = [0, 1]\n[[stage]]\nfrom = 7\ncontext = 24\n"
      "yarn_factor = 2\nweights = [1, 1]\n";
  const auto as_it_is = [](Recipe&) {};
  const auto with_muon = [](Recipe& r) { r.optimizer.rule = OptimizerRule::kMuon; };
  const auto with_bf16 = [](Recipe& r) { r.optimizer.has_bf16_moments = true; };
  const std::vector<std::pair<std::string, std::function<void(Recipe&)>>> cases = {
      {"", as_it_is},  {stages, as_it_is}, {"[lora]\nrank = 2\n", as_it_is},
      {"", with_muon}, {"", with_bf16},    {"compute = 'fp8'\n", as_it_is}};
  for (const auto& [more, change] : cases) {
    fs::remove_all(path("whole"));
    fs::remove_all(path("parts"));
    Recipe r = recipe("whole", more);
    change(r);
    const auto whole = run(r);
    r.out = path("parts");
    std::vector<StepReport> parts;
    for (const int64_t steps : {4, 1, 3, 100}) {
      for (const StepReport& report : run(r, steps)) parts.push_back(report);
    }
    ASSERT_EQ(parts.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) expect_same(parts[i], whole[i]);
  }
}

TEST_F(TrainerTest, RefusesWhatCannotRunAtTheStart) {
  const auto error_of = [&](const std::function<void(Recipe&)>& change) {
    Recipe r = recipe("out");
    change(r);
    try {
      run(r);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto expect = [&](const std::string& says, const std::function<void(Recipe&)>& change) {
    const std::string error = error_of(change);
    EXPECT_NE(error.find(says), std::string::npos) << says << "\n" << error;
  };
  write_token_shard(path("empty.tokens"), {}, 64, 7, 0);
  write_token_shard(path("short.tokens"), {{{3, true}}}, 64, 7, 1);
  expect("empty.tokens", [&](Recipe& r) { r.heldout = {path("empty.tokens")}; });
  expect("short.tokens", [&](Recipe& r) { r.heldout = {path("short.tokens")}; });
  expect("short.tokens", [&](Recipe& r) { r.data[1].path = path("short.tokens"); });
  fs::create_directories(path("tok"));
  expect("neither tokenizer.json", [&](Recipe& r) { r.tokenizer = path("tok"); });
  std::ofstream(path("tok/tokenizer.json")) << "{}";
  expect("a.tokens", [&](Recipe& r) { r.tokenizer = path("tok"); });
  expect("another tokenizer", [&](Recipe& r) { r.tokenizer = path("tok"); });
  expect("reaches 32", [](Recipe& r) { r.context = 33; });
  expect("from step 5", [](Recipe& r) { r.stages = {{.from = 5, .context = 33, .weights = {}}}; });
  expect("reaches 64", [](Recipe& r) { r.stages = {{.from = 5, .context = 65, .yarn_factor = 2, .weights = {}}}; });
  fs::remove(path("tok/tokenizer.json"));
  std::ofstream(path("tok/tiktoken.model")) << "";
  expect("another tokenizer", [&](Recipe& r) { r.tokenizer = path("tok"), r.steps = 4; });
  EXPECT_EQ(error_of([](Recipe& r) { r.stages = {{.from = 5, .context = 64, .yarn_factor = 2, .weights = {}}}; }), "");
}

TEST_F(TrainerTest, StretchedModelSaysSoInItsConfig) {
  run(recipe("out", "[[stage]]\nfrom = 6\ncontext = 24\nyarn_factor = 2\n"));
  const json::Value config = json::parse_file(*newest_snapshot(path("out")) + "/config.json");
  const json::Reader reader(config, "config.json");
  EXPECT_EQ(reader.get("max_position_embeddings").as_int(), 64);
  EXPECT_EQ(reader.get("rope_scaling").get("factor").as_double(), 2);
  EXPECT_EQ(reader.get("rope_scaling").get("original_max_position_embeddings").as_int(), 32);
}

TEST_F(TrainerTest, GoesOnBitForBitAfterSigkill) {
  const auto whole = run(recipe("whole"));
  const Recipe r = recipe("killed");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ThreadTeam team(2);
    CachingAllocator allocator;
    Trainer trainer(r, team, allocator);
    // Behind the snapshot of step 6 and before the one of step 9, with lines of metrics that will be done again.
    trainer.run(
        [](const StepReport& report) {
          if (report.step == 8) ::raise(SIGKILL);
        },
        [] { return false; });
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto rest = run(recipe("killed"));
  ASSERT_EQ(rest.size(), 6U);
  for (size_t i = 0; i < rest.size(); ++i) expect_same(rest[i], whole[i + 6]);
  EXPECT_EQ(lines_of(path("killed/metrics.jsonl")).size(), 12U);
}

TEST_F(TrainerTest, KeepsTheLastOnes) {
  fs::create_directories(path("out/unfinished-step-00000001"));  // a killed process's
  run(recipe("out", "keep = 2\n"));
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path("out"))) {
    if (entry.is_directory()) found.push_back(entry.path().filename());
  }
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"step-00000009", "step-00000012"}));
}

// A limit on the size of files stands for the full disk: writing fails halfway.
TEST_F(TrainerTest, FullDiskKeepsTheCheckpointBefore) {
  run(recipe("out"), 5);
  const std::string before = *newest_snapshot(path("out"));
  const Recipe r = recipe("out");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {8192, 8192};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ThreadTeam team(1);
    CachingAllocator allocator;
    try {
      Trainer trainer(r, team, allocator);
      trainer.run([](const StepReport&) {}, [] { return false; });
    } catch (const Error& error) {
      ::_exit(error.code() == ErrorCode::kIo ? 3 : 4);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(*newest_snapshot(path("out")), before);
  for (const auto& entry : fs::directory_iterator(path("out"))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("unfinished-")) << entry.path();
  }
  EXPECT_EQ(run(recipe("out")).size(), 7U);
}

TEST_F(TrainerTest, DamagedSnapshotIsNamed) {
  run(recipe("out"), 3);
  const std::string weights = *newest_snapshot(path("out")) + "/model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) / 2);
  try {
    run(recipe("out"));
    ADD_FAILURE() << "no Error was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.safetensors"), std::string::npos) << error.what();
  }
}

// A rate at which weights overflow: the steps are reported as skipped, and the run ends with advice.
TEST_F(TrainerTest, StepsThatAreNotFiniteAreSkippedAndThenFatal) {
  Recipe r = recipe("out");
  r.steps = 60;
  r.warmup = 0;
  r.learning_rate = 1e30;
  int64_t skipped = 0;
  int64_t finite = 0;
  ThreadTeam team(1);
  CachingAllocator allocator;
  Trainer trainer(r, team, allocator);
  try {
    trainer.run(
        [&](const StepReport& report) {
          skipped += report.is_skipped ? 1 : 0;
          finite += report.is_finite ? 1 : 0;
          EXPECT_EQ(report.is_skipped, !report.is_finite);
        },
        [] { return false; });
    ADD_FAILURE() << "no Error was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not finite"), std::string::npos);
  }
  EXPECT_GT(skipped, 10);
  EXPECT_GT(finite, 0);
  r.stops_when_skipping = true;
  r.out = path("stops");
  EXPECT_THROW(run(r), Error);
}

// The watch is made to expect losses near zero, so that every step stands out until a stage begins.
TEST_F(TrainerTest, SkippedSpikesEndNoRunAndKeepTheirLosses) {
  Recipe r = recipe("out", "on_spike = 'skip'\non_bad_step = 'stop'\n[[stage]]\nfrom = 9\nweights = [1, 1]\n");
  r.steps = 30;
  r.stages[0].from = 20;
  run(r, 3);
  const std::string file = *newest_snapshot(path("out")) + "/state.json";
  json::Object state = json::parse_file(file).as_object();
  state["loss_watch"] = json::Object{{"mean", 1e-3}, {"variance", 0.0}, {"seen", 100}};
  std::ofstream(file) << json::dump(state);
  const auto reports = run(r);
  ASSERT_EQ(reports.size(), 27U);
  for (const StepReport& report : reports) {
    EXPECT_TRUE(report.is_finite);
    EXPECT_EQ(report.is_skipped, report.step <= 20) << report.step;
    EXPECT_EQ(report.is_spike, report.step <= 20) << report.step;
  }
  EXPECT_EQ(reports[4].heldout_loss, reports[16].heldout_loss);  // steps 8 and 20: the weights stayed
  EXPECT_NE(reports[16].heldout_loss, reports[20].heldout_loss);
  const json::Value line = json::parse(lines_of(path("out/metrics.jsonl")).at(7), "metrics");
  const json::Reader reader(line, "metrics");
  EXPECT_EQ(reader.get("step").as_int(), 8);
  EXPECT_EQ(reader.get("loss").as_double(), reports[4].loss);
  EXPECT_EQ(reader.get("heldout_loss").as_double(), *reports[4].heldout_loss);
  EXPECT_TRUE(reader.find("skipped") && reader.find("spike"));
}

// Without the prediction's loss its module is as it was, until a stage wakes it.
TEST_F(TrainerTest, ModulesRestWhileTheirWeightIsZero) {
  const auto module_of = [&] {
    const auto file = checkpoint::SafetensorsFile::open(*newest_snapshot(path("out")) + "/model.safetensors");
    std::string bytes;
    for (const auto& entry : file->tensors()) {
      if (!entry.name.starts_with("model.layers.2.")) continue;
      bytes.append(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
    }
    return bytes;
  };
  Recipe r = recipe("out", "mtp_weight = 0\n[[stage]]\nfrom = 4\nmtp_weight = 0.3\n");
  r.steps = 5;
  r.evaluate_every = 0;
  run(r, 1);
  const std::string first = module_of();
  EXPECT_FALSE(first.empty());
  run(r, 3);
  EXPECT_EQ(module_of(), first);
  run(r);
  EXPECT_NE(module_of(), first);
}

// Held-out losses are those of the weights behind the step: the same as of a run that begins with them and stays there.
TEST_F(TrainerTest, HeldoutLossInFp8IsOfTheNewWeights) {
  const auto reports = run(recipe("out", "compute = 'fp8'\n"), 4);
  Recipe r = recipe("still", "compute = 'fp8'\nbias_update_speed = 0\n");
  r.model = *newest_snapshot(path("out"));
  r.steps = 1;
  r.warmup = 0;
  r.learning_rate = 1e-30;
  ASSERT_TRUE(reports.back().heldout_loss);
  EXPECT_EQ(run(r).back().heldout_loss, reports.back().heldout_loss);
}

TEST_F(TrainerTest, ThreadsChangeNoBit) {
  const Recipe one = recipe("one");
  const Recipe two = recipe("two");
  const auto first = run(one, 6, 1);
  const auto second = run(two, 6, 2);
  ASSERT_EQ(first.size(), 6U);
  for (size_t i = 0; i < first.size(); ++i) expect_same(first[i], second[i]);
}

}  // namespace
}  // namespace fathom::train
