// fathom generate: continues a prompt.

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"
#include "cli/sampling_flags.h"
#include "engine/stop_matcher.h"
#include "tokenizer/segment.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::optional<std::string> prompt;
  std::string file;
  std::optional<std::string> suffix;
  bool is_without_bos = false;
};

std::string read_prompt(const GenerateFlags& flags) {
  if (flags.prompt) return *flags.prompt;
  if (!flags.file.empty() && flags.file != "-") return read_text_file(flags.file);
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

// Begin of sentence and the text, or the fill-in-middle layout (prefix, suffix, then the model writes the middle).
std::vector<int32_t> encoded_prompt(const GenerateFlags& flags, const tokenizer::Tokenizer& tokenizer,
                                    const model::ModelConfig& config) {
  std::vector<int32_t> ids;
  if (!flags.is_without_bos) ids.push_back(static_cast<int32_t>(config.bos_token_id));
  std::vector<tokenizer::Segment> segments = {tokenizer::plain(read_prompt(flags))};
  if (flags.suffix) {
    for (const auto control : {tokenizer::kFimBegin, tokenizer::kFimHole, tokenizer::kFimEnd}) {
      if (!tokenizer.find_added(control)) {
        fail(ErrorCode::kUnsupported, "tokenizer.json", "has no token {}, which --suffix needs", control);
      }
    }
    segments = tokenizer::fim_prompt(segments[0].text, *flags.suffix);
    segments.erase(segments.begin());  // begin of sentence is there, or not wanted
  }
  const auto text = tokenizer.encode(segments);
  ids.insert(ids.end(), text.begin(), text.end());
  return ids;
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kIo, "standard output", "cannot write: {}", std::strerror(errno));
  }
}

// Thrown out of the reading of a prompt, which has nothing to show yet.
void stop_when_interrupted() {
  if (InterruptGuard::is_interrupted()) throw Interrupted();
}

void run(GenerateFlags& flags) {
  engine::GenerateParams params = flags.sampling.finish();
  const auto model = flags.model.load();
  const auto tokenizer = tokenizer::Tokenizer::load(flags.model.model);
  const auto prompt = encoded_prompt(flags, *tokenizer, model->config());
  for (const int64_t id : model->config().eos_token_ids) params.stop_tokens.push_back(static_cast<int32_t>(id));

  params.sampling.vocab_size = static_cast<int64_t>(tokenizer->vocab_size());
  engine::Generator generator(model->transformer(), model->context(), flags.sampling.context_for(model->config()));
  auto progress = std::make_unique<Progress>("reading the prompt", static_cast<int64_t>(prompt.size()));
  tokenizer::StreamDecoder decoder(tokenizer);
  engine::StopMatcher stops(flags.sampling.stop);
  const InterruptGuard guard;
  const auto stats = generator.generate(
      prompt, params,
      [&](int32_t token) {
        progress.reset();
        print(stops.push(decoder.push(token)));
        return !stops.is_stopped() && !InterruptGuard::is_interrupted();
      },
      [&](int64_t done) {
        stop_when_interrupted();
        if (progress) progress->update(done);
      });
  progress.reset();
  print(stops.push(decoder.finish()));
  if (!stops.is_stopped()) print(stops.finish());
  print("\n");
  if (flags.sampling.show_stats) fmt::print(stderr, "{}\nseed: {}\n", stats_text(stats), params.sampling.seed);
  stop_when_interrupted();
}

}  // namespace

void add_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "continue a prompt, or fill in the middle with --suffix");
  flags->model.add_to(*command);
  flags->sampling.add_to(*command);
  command->add_option("-p,--prompt", flags->prompt, "the text to continue; without it and FILE: standard input");
  command->add_option("file", flags->file, "file with the text to continue, - for standard input")->type_name("FILE");
  command->add_option("--suffix", flags->suffix, "text behind the hole: the model writes what lies between");
  command->add_flag("--no-bos", flags->is_without_bos, "do not put the begin-of-sentence token in front");
  command->footer(
      "Examples:\n"
      "  fathom generate --model DIR --prompt \"The capital of France is\" --max-tokens 16 --temperature 0\n"
      "  fathom generate --model DIR --prompt \"def add(a, b):\" --suffix \"return c\" --max-tokens 32");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
