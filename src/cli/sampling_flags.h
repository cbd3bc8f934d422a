#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/generator.h"

namespace fathom::cli {

// Flags of everything that samples, and what came of it.
struct SamplingFlags {
  engine::GenerateParams params;
  std::vector<std::string> stop;
  std::optional<uint64_t> seed;
  int64_t context = 0;
  bool is_without_mtp = false;
  bool show_stats = false;

  void add_to(CLI::App& command);
  // The parameters with a seed: the given one, or a fresh one from the system.
  engine::GenerateParams finish();
  // Tokens that a sequence may have: --context, bounded by the model's; without the flag the model's, at most 16384.
  int64_t context_for(const model::ModelConfig& config) const;
};

// "prompt 12 tokens (0 cached) in 0.05 s, 240.0 tokens/s; answer 64 tokens in 1.2 s, ..."
std::string stats_text(const engine::GenerateStats& stats);

}  // namespace fathom::cli
