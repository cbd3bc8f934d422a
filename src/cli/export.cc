// fathom export: a checkpoint in another format.

#include "checkpoint/export.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "cli/command.h"

namespace fathom::cli {

void add_export(CLI::App& app) {
  struct Flags {
    std::string from;
    std::string to;
    std::string dtype = "bf16";
    checkpoint::ExportParams params;
    bool leaves_out_copies = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("export", "write a checkpoint as Hugging Face safetensors in another format");
  command->add_option("model", flags->from, "folder of a checkpoint")->required()->type_name("DIR");
  command->add_option("-o,--out", flags->to, "folder to write")->required()->type_name("DIR");
  command->add_option("--dtype", flags->dtype, "f32, bf16, or fp8: E4M3 in blocks of 128x128")
      ->check(CLI::IsMember({"f32", "bf16", "fp8"}))
      ->capture_default_str();
  command->add_flag("--shared-once", flags->leaves_out_copies,
                    "leave out the MTP modules' copies of embedding and head: smaller, and Fathom reads it alike");
  command->footer("Example:\n  fathom export runs/small/step-00001000 --dtype fp8 --out small-fp8");
  command->callback([flags] {
    const std::map<std::string, DType> formats = {
        {"f32", DType::kF32}, {"bf16", DType::kBF16}, {"fp8", DType::kF8E4M3}};
    flags->params.dtype = formats.at(flags->dtype);
    flags->params.has_mtp_copies = !flags->leaves_out_copies;
    checkpoint::export_checkpoint(flags->from, flags->to, flags->params);
    fmt::print("{}\n", flags->to);
  });
}

}  // namespace fathom::cli
