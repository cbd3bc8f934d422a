#pragma once
// The flags that every subcommand with a model shares, and what they make.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "engine/loaded_model.h"

namespace fathom::cli {

struct ModelFlags {
  std::string model;
  std::string compute = "bf16";
  std::string mla = "absorbed";
  int threads = 0;  // 0: one for each core

  // Adds --model, --compute, --mla and --threads.
  void add_to(CLI::App& command, const std::string& default_compute = "bf16");
  // Opens the checkpoint with a progress line. Throws Error.
  std::unique_ptr<engine::LoadedModel> load() const;
};

}  // namespace fathom::cli
