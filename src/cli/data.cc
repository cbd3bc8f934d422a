// fathom data: text and chats to token shards.

#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/reading.h"
#include "tokenizer/tokenizer_path.h"
#include "train/data_builder.h"

namespace fathom::cli {
namespace {

struct DataFlags {
  std::vector<std::string> files;
  std::string tokenizer;
  std::string out;
  std::string encoding = "v3.1";
  std::string where;
  bool is_skipping = false;
  train::DataParams params;
};

void add_file(const std::string& path, Reading& reading, train::DataBuilder& builder) {
  if (path == "-") return builder.add_jsonl(std::cin, "standard input");
  if (!path.ends_with(".jsonl")) return builder.add_text(reading.whole_text(path), path);
  builder.add_jsonl(*reading.open(path), path);
}

// KEY=VALUE,VALUE
train::LineFilter read_filter(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no filter", text), "--where",
                "write KEY=VALUE or KEY=VALUE,VALUE");
  }
  train::LineFilter out = {.key = text.substr(0, equals), .values = {}};
  for (size_t begin = equals + 1; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.values.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

void report(const char* name, const std::string& path, const train::DataSplit& split) {
  fmt::print("{:<9} {} documents, {} tokens ({} learned), {:.2f} bytes a learned token: {}\n", name,
             split.documents.size(), split.tokens, split.learned_tokens,
             static_cast<double>(split.text_bytes) / static_cast<double>(std::max<int64_t>(1, split.learned_tokens)),
             path);
}

void run(DataFlags flags) {
  const auto tokenizer = tokenizer::Tokenizer::load(flags.tokenizer);
  const uint64_t hash = tokenizer::tokenizer_hash(flags.tokenizer);
  flags.params.chat_encoding = tokenizer::chat_encoding_from_name(flags.encoding);
  flags.params.bad_lines = flags.is_skipping ? train::BadLines::kSkipped : train::BadLines::kFatal;
  if (!flags.where.empty()) flags.params.filter = read_filter(flags.where);
  train::DataBuilder builder(tokenizer, flags.params);
  {
    Reading reading(flags.files);
    for (const std::string& path : flags.files) add_file(path, reading, builder);
  }
  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) fail(ErrorCode::kIo, flags.out, "cannot create: {}", error.message());
  const auto write = [&](const char* name, const train::DataSplit& split) {
    const std::string path = fmt::format("{}/{}.tokens", flags.out, name);
    train::write_token_shard(path, split.documents, static_cast<int64_t>(tokenizer->vocab_size()), hash,
                             split.text_bytes);
    report(name, path, split);
  };
  write("train", builder.train());
  if (flags.params.heldout_share > 0) write("heldout", builder.heldout());
  const train::DataCounts& counts = builder.counts();
  fmt::print(
      "{} lines, {} filtered out, {} duplicates left out, {} documents as prefix, suffix, middle, {} bad lines "
      "skipped\n",
      counts.lines, counts.filtered, counts.duplicates, counts.fim, counts.bad);
  for (const std::string& bad : counts.first_bad) fmt::print("  skipped: {}\n", bad);
}

}  // namespace

void add_data(CLI::App& app) {
  auto flags = std::make_shared<DataFlags>();
  CLI::App* command = app.add_subcommand("data", "turn text, JSONL and chats into token shards for training");
  command
      ->add_option("files", flags->files,
                   "text files; .jsonl: lines with \"text\" or \"messages\"; -: JSONL from stdin")
      ->required()
      ->type_name("FILE");
  command->add_option("--tokenizer", flags->tokenizer, "folder with tokenizer.json or tiktoken.model")
      ->required()
      ->type_name("DIR");
  command->add_option("-o,--out", flags->out, "folder for train.tokens and heldout.tokens")
      ->required()
      ->type_name("DIR");
  command->add_option("--heldout", flags->params.heldout_share, "share of documents that are held out")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--fim", flags->params.fim_rate, "share of plain documents that become prefix, suffix, middle")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--piece-bytes", flags->params.piece_bytes,
                   "longer texts are cut at line ends into documents of about this size; 0: left whole")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", flags->params.seed, "of the split and the cuts")->capture_default_str();
  command->add_option("--chat-template", flags->encoding, "encoding of chats")->capture_default_str();
  command->add_flag("--learn-all", flags->params.learns_all, "learn every token of a chat, not the assistant's alone");
  command->add_option("--where", flags->where, "of JSONL take the lines in which KEY is one of the values")
      ->type_name("KEY=VALUE,...");
  command->add_flag("--skip-bad", flags->is_skipping, "count and skip lines that cannot be read instead of stopping");
  command->footer(
      "Example:\n"
      "  fathom tokenizer train corpus.jsonl --out my-model\n"
      "  fathom data corpus.jsonl --tokenizer my-model --heldout 0.02 --fim 0.1 --out my-data");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
