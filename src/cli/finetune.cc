// fathom finetune: goes on training a model with chats, of which it learns what the assistant says.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "cli/chat_flags.h"
#include "cli/command.h"
#include "cli/training.h"
#include "tokenizer/tokenizer_path.h"
#include "train/data_builder.h"

namespace fathom::cli {
namespace {

struct FinetuneFlags {
  std::string model;
  std::vector<std::string> files;
  ChatFlags chat;
  std::string out;
  double epochs = 1;
  double heldout = 0.02;
  int64_t batch_tokens = 4096;
  int64_t context = 0;
  double learning_rate = 0;
  std::string optimizer = "adamw";
  int64_t lora_rank = 0;
  double lora_alpha = 16;
  std::vector<std::string> lora_targets;
  int64_t checkpoint_every = 100;
  uint64_t seed = 1;
  int threads = 0;
  DashboardFlags dashboard;
  bool is_skipping = false;
};

// Rates that suit most models; adapters begin at zero and bear larger ones.
constexpr double kFullRate = 2e-5;
constexpr double kLoraRate = 2e-4;
// Longest sequence of models that reach as far.
constexpr int64_t kContext = 1024;

int64_t context_of(const FinetuneFlags& flags) {
  if (flags.context > 0) return flags.context;
  const std::string path = flags.model + "/config.json";
  const json::Value config = json::parse_file(path);
  return std::min(kContext, json::Reader(config, path).get("max_position_embeddings").as_int(1));
}

// Token shards of the chats under OUT/data; they are made anew each time, which costs seconds.
train::DataSplit build(const FinetuneFlags& flags, train::Recipe& recipe) {
  const auto tokenizer = tokenizer::Tokenizer::load(flags.model);
  train::DataParams params = {.heldout_share = flags.heldout,
                              .seed = flags.seed,
                              .bad_lines = flags.is_skipping ? train::BadLines::kSkipped : train::BadLines::kFatal,
                              .chat_encoding = flags.chat.encoding_for(flags.model, *tokenizer)};
  train::DataBuilder builder(tokenizer, params);
  for (const std::string& path : flags.files) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(ErrorCode::kNotFound, path, "cannot open");
    builder.add_jsonl(in, path);
  }
  if (builder.train().documents.empty()) {
    throw Error(ErrorCode::kInvalidData, "hold no chat", "the files", "each line is {\"messages\": [...]}");
  }
  const std::string folder = flags.out + "/data";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorCode::kIo, folder, "cannot create: {}", error.message());
  const uint64_t hash = tokenizer::tokenizer_hash(flags.model);
  const auto write = [&](const char* name, const train::DataSplit& split) {
    const std::string path = fmt::format("{}/{}.tokens", folder, name);
    train::write_token_shard(path, split.documents, static_cast<int64_t>(tokenizer->vocab_size()), hash,
                             split.text_bytes);
    return path;
  };
  recipe.data = {{.path = write("train", builder.train())}};
  if (!builder.heldout().documents.empty()) recipe.heldout = {write("heldout", builder.heldout())};
  return builder.train();
}

void run(const FinetuneFlags& flags) {
  train::Recipe recipe;
  recipe.path = "finetune";
  recipe.model = flags.model;
  recipe.tokenizer = flags.model;
  recipe.out = flags.out;
  recipe.seed = flags.seed;
  const train::DataSplit data = build(flags, recipe);
  recipe.batch_tokens = flags.batch_tokens;
  recipe.context = context_of(flags);
  const auto inputs = static_cast<double>(data.tokens - static_cast<int64_t>(data.documents.size()));
  recipe.steps =
      std::max<int64_t>(1, static_cast<int64_t>(flags.epochs * inputs / static_cast<double>(flags.batch_tokens) + 0.5));
  recipe.schedule = "linear";
  recipe.warmup = std::min<int64_t>(20, recipe.steps / 10);
  recipe.evaluate_every = std::max<int64_t>(1, recipe.steps / 10);
  recipe.checkpoint_every = flags.checkpoint_every;
  recipe.losses.mtp_weight = 0.1;
  recipe.optimizer.rule = flags.optimizer == "muon" ? train::OptimizerRule::kMuon : train::OptimizerRule::kAdamW;
  recipe.optimizer.weight_decay = 0;
  recipe.lora = {.rank = flags.lora_rank, .alpha = flags.lora_alpha};
  if (!flags.lora_targets.empty()) recipe.lora.targets = flags.lora_targets;
  recipe.learning_rate = flags.learning_rate > 0 ? flags.learning_rate : flags.lora_rank > 0 ? kLoraRate : kFullRate;
  fmt::print("{} chats, {} tokens, of which {} are learned\n", data.documents.size(), data.tokens, data.learned_tokens);
  ThreadTeam team(flags.threads > 0 ? flags.threads : ThreadTeam::available_cores());
  CachingAllocator allocator;
  train::Trainer trainer(recipe, team, allocator);
  train_and_show(trainer, recipe, allocator, flags.dashboard);
}

}  // namespace

void add_finetune(CLI::App& app) {
  auto flags = std::make_shared<FinetuneFlags>();
  CLI::App* command = app.add_subcommand("finetune", "train a model on with chats: all weights, or LoRA adapters");
  command->add_option("files", flags->files, "JSONL of chats: {\"messages\": [...], \"tools\"?: [...]} a line")
      ->required()
      ->type_name("FILE");
  command->add_option("-m,--model", flags->model, "checkpoint to begin with")->required()->type_name("DIR");
  command->add_option("-o,--out", flags->out, "folder for data, checkpoints and metrics")->required()->type_name("DIR");
  flags->chat.add_template_to(*command);
  command->add_option("--epochs", flags->epochs, "how often the chats are seen")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--heldout", flags->heldout, "share of chats that are held out")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  command->add_option("--batch-tokens", flags->batch_tokens, "tokens of a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--context", flags->context, "longest sequence; 0: 1024, or what the model reaches if that is less")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--learning-rate", flags->learning_rate, "at most; 0: 2e-5, or 2e-4 for adapters")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--optimizer", flags->optimizer, "adamw or muon")
      ->check(CLI::IsMember({"adamw", "muon"}))
      ->capture_default_str();
  command->add_option("--lora", flags->lora_rank, "rank of adapters; 0: all weights are trained")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--lora-alpha", flags->lora_alpha, "adapters count alpha / rank")->capture_default_str();
  command->add_option("--lora-target", flags->lora_targets, "patterns of matrices that get one (*_proj.weight)");
  command->add_option("--checkpoint-every", flags->checkpoint_every, "steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seed", flags->seed, "of the order of chats and of adapters")->capture_default_str();
  command->add_option("-t,--threads", flags->threads, "threads that compute; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_flag("--skip-bad", flags->is_skipping, "skip lines that cannot be read instead of stopping");
  flags->dashboard.add_to(*command);
  command->footer(
      "Control-C saves and exits; the same command goes on. The newest step-* folder under OUT is a checkpoint as any\n"
      "other; with --lora it also holds the adapters apart, in PEFT's format.\n"
      "Example:\n"
      "  fathom finetune chats.jsonl --model DIR --out my-run --lora 16 --epochs 3");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
