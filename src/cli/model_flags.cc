#include "cli/model_flags.h"

namespace fathom::cli {

void ModelFlags::add_to(CLI::App& command, const std::string& default_compute) {
  compute = default_compute;
  command.add_option("-m,--model", model, "checkpoint folder: config.json, *.safetensors, tokenizer.json")
      ->required()
      ->type_name("DIR");
  command.add_option("--compute", compute, "arithmetic of matrix products: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command.add_option("--mla", mla, "form of latent attention: absorbed (serving's) or expanded")
      ->check(CLI::IsMember({"absorbed", "expanded"}))
      ->capture_default_str();
  command.add_option("-t,--threads", threads, "threads that compute; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

std::unique_ptr<engine::LoadedModel> ModelFlags::load() const {
  return std::make_unique<engine::LoadedModel>(
      model, engine::LoadOptions{.compute = compute == "f32" ? ops::Compute::kF32 : ops::Compute::kBF16,
                                 .mla_form = mla == "absorbed" ? ops::MlaForm::kAbsorbed : ops::MlaForm::kExpanded,
                                 .threads = threads});
}

}  // namespace fathom::cli
