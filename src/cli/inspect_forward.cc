// fathom inspect forward: the numbers of a forward pass under the names of the golden vectors.

#include "engine/inspect_forward.h"

#include <memory>

#include "base/error.h"
#include "base/progress.h"
#include "checkpoint/safetensors.h"
#include "cli/command.h"
#include "cli/model_flags.h"

namespace fathom::cli {
namespace {

struct ForwardFlags {
  ModelFlags model;
  std::string prompts;
  std::string out;
  engine::InspectParams params;
};

constexpr std::string_view kTokensSuffix = ".tokens";

// "P.tokens", but not "P.mtp.tokens", which is an output.
bool is_prompt(const std::string& name) {
  return name.ends_with(kTokensSuffix) && !name.ends_with(".mtp.tokens") && name.size() > kTokensSuffix.size();
}

void run(const ForwardFlags& flags) {
  const auto prompts = checkpoint::SafetensorsFile::open(flags.prompts);
  std::vector<std::pair<std::string, Tensor>> out;
  int64_t count = 0;
  for (const auto& entry : prompts->tensors()) count += is_prompt(entry.name) ? 1 : 0;
  if (count == 0) {
    throw Error(ErrorCode::kInvalidData, "holds no tensor named P.tokens", flags.prompts,
                "name each prompt's token ids NAME.tokens, I32 [S]");
  }
  const auto model = flags.model.load();
  Progress progress("prompts", count);
  int64_t done = 0;
  for (const auto& entry : prompts->tensors()) {
    if (!is_prompt(entry.name)) continue;
    const std::string prefix = entry.name.substr(0, entry.name.size() - kTokensSuffix.size());
    const std::vector<int32_t> tokens = checkpoint::read_ids(*prompts, entry.name);
    for (auto& [name, value] : engine::inspect_forward(model->transformer(), model->context(), tokens, flags.params)) {
      out.emplace_back(prefix + "." + name, value);
    }
    progress.update(++done);
  }
  checkpoint::write_safetensors(flags.out, out);
}

}  // namespace

void add_inspect_forward(CLI::App& inspect) {
  auto flags = std::make_shared<ForwardFlags>();
  CLI::App* command =
      inspect.add_subcommand("forward", "write logits, hidden states, routing and more of given prompts");
  flags->model.add_to(*command, "f32");
  command->add_option("--prompts", flags->prompts, "safetensors file with I32 tensors NAME.tokens")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--out", flags->out, "safetensors file to write")->required()->type_name("FILE");
  command->add_option("--chunk", flags->params.chunk, "tokens per forward pass; 0: each prompt in one piece")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--greedy", flags->params.greedy_tokens, "length of the greedy continuation")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->footer(
      "Example, a golden file being a valid input:\n"
      "  fathom inspect forward --model goldens/v3 --prompts goldens/v3/golden.safetensors --out out.safetensors\n"
      "  fathom inspect diff goldens/v3/golden.safetensors out.safetensors");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
