// fathom inspect train: the numbers of a few training steps under the names of the golden vectors.

#include "train/inspect_train.h"

#include <memory>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "cli/command.h"
#include "cli/model_flags.h"

namespace fathom::cli {
namespace {

struct TrainFlags {
  ModelFlags model;
  std::string batches;
  std::string settings;
  std::string out;
};

std::string tokens_name(int64_t step) { return "step" + std::to_string(step) + ".tokens"; }

void run(const TrainFlags& flags) {
  const auto file = checkpoint::SafetensorsFile::open(flags.batches);
  train::InspectTrainSettings settings;
  if (!flags.settings.empty()) {
    const json::Value value = json::parse_file(flags.settings);
    settings = train::InspectTrainSettings::read(json::Reader(value, flags.settings));
  }
  std::vector<std::vector<std::vector<int32_t>>> batches;
  for (int64_t step = 0; step < settings.steps; ++step) {
    batches.push_back(checkpoint::read_id_rows(*file, tokens_name(step)));
  }
  const auto model = flags.model.load();
  checkpoint::write_safetensors(flags.out,
                                train::inspect_train(model->transformer(), model->context(), batches, settings));
}

}  // namespace

void add_inspect_train(CLI::App& inspect) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* command = inspect.add_subcommand("train", "write losses, gradients and parameters of a few training steps");
  flags->model.add_to(*command, "f32");
  command->add_option("--batches", flags->batches, "safetensors file with I32 tensors stepK.tokens [sequences, length]")
      ->required()
      ->type_name("FILE");
  command->add_option("--settings", flags->settings, "JSON file: steps, lr, betas, eps, weight_decay, grad_clip, ...")
      ->type_name("FILE");
  command->add_option("-o,--out", flags->out, "safetensors file to write")->required()->type_name("FILE");
  command->footer(
      "Example, a golden file being a valid input:\n"
      "  fathom inspect train --model goldens/v3 --batches goldens/v3/training.safetensors \\\n"
      "      --settings goldens/v3/training.json --out out.safetensors\n"
      "  fathom inspect diff goldens/v3/training.safetensors out.safetensors");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
