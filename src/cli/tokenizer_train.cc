// fathom tokenizer: making one.

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/reading.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_writer.h"
#include "tokenizer/utf8.h"

namespace fathom::cli {
namespace {

struct TrainFlags {
  std::vector<std::string> files;
  std::string out;
  int64_t vocab_size = 8192;
  int64_t min_frequency = 2;
  bool is_splitting_digits = false;
};

// Whatever text a line of JSONL holds: "text", or the contents of "messages".
void add_line(const json::Reader& line, tokenizer::BpeTrainer& trainer) {
  if (const auto text = line.find("text")) trainer.add(text->as_string());
  const auto messages = line.find("messages");
  if (!messages) return;
  for (const json::Reader& message : messages->items()) {
    const auto content = message.find("content");
    if (content && content->is_string()) trainer.add(content->as_string());
  }
}

void add_file(const std::string& path, Reading& reading, tokenizer::BpeTrainer& trainer) {
  if (!path.ends_with(".jsonl")) {
    trainer.add(tokenizer::valid_utf8(reading.whole_text(path)));
    return;
  }
  const auto in = reading.open(path);
  std::string text;
  for (int64_t number = 1; std::getline(*in, text); ++number) {
    if (text.empty()) continue;
    const std::string where = fmt::format("{}: line {}", path, number);
    const json::Value value = json::parse(text, where);
    add_line(json::Reader(value, where), trainer);
  }
}

void write(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void run(const TrainFlags& flags) {
  const int64_t learned = tokenizer::learned_tokens(flags.vocab_size);
  if (learned < 0) {
    fail(ErrorCode::kInvalidArgument, "--vocab-size", "found {}, expected {} or more: bytes and control tokens",
         flags.vocab_size, flags.vocab_size - learned);
  }
  const auto cutter = tokenizer::make_v3_scanner();
  tokenizer::BpeTrainer trainer(*cutter);
  {
    Reading reading(flags.files);
    for (const std::string& path : flags.files) add_file(path, reading, trainer);
  }
  std::vector<tokenizer::Merge> merges;
  {
    Progress progress("tokens", learned);
    merges = trainer.train(
        {.tokens = learned, .min_frequency = flags.min_frequency, .merges_digits = !flags.is_splitting_digits},
        [&](int64_t tokens) { progress.update(tokens); });
  }
  const std::string text = tokenizer::tokenizer_json(merges);
  const std::string config = tokenizer::tokenizer_config_json();
  const auto made = tokenizer::Tokenizer::from_json(text, config);
  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) fail(ErrorCode::kIo, flags.out, "cannot create: {}", error.message());
  write(flags.out + "/tokenizer.json", text);
  write(flags.out + "/tokenizer_config.json", config);
  fmt::print("{} tokens from {} distinct pieces: {}/tokenizer.json\n", made->vocab_size(), trainer.distinct_pieces(),
             flags.out);
  if (static_cast<int64_t>(made->vocab_size()) < flags.vocab_size) {
    fmt::print("fewer than asked for: no pair is left that stands {} times\n", flags.min_frequency);
  }
}

}  // namespace

void add_tokenizer(CLI::App& app) {
  CLI::App* group = app.add_subcommand("tokenizer", "train a tokenizer");
  group->require_subcommand(1);
  group->footer("Example:\n  fathom tokenizer train corpus.jsonl --vocab-size 8192 --out my-model");
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = group->add_subcommand("train", "byte-level BPE with DeepSeek-V3's pre-tokenizer and controls");
  command->add_option("files", flags->files, "text files; .jsonl: lines with \"text\" or chat \"messages\"")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--out", flags->out, "folder for tokenizer.json and tokenizer_config.json")
      ->required()
      ->type_name("DIR");
  command->add_option("--vocab-size", flags->vocab_size, "tokens in all, bytes and control tokens included")
      ->capture_default_str();
  command->add_option("--min-frequency", flags->min_frequency, "rarer pairs are not merged")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--split-digits", flags->is_splitting_digits, "a number is a digit a token");
  command->footer("Example:\n  fathom tokenizer train corpus.jsonl --vocab-size 8192 --out my-model");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
