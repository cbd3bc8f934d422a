// fathom bench: speed of a checkpoint beside what the machine can do.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/random_checkpoint.h"
#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/benchmark.h"

namespace fathom::cli {
namespace {

struct BenchFlags {
  ModelFlags model;
  engine::BenchmarkParams params;
  std::string random_config;
  std::string out;
  std::string dtype = "bf16";
  uint64_t seed = 1;
  bool is_only_written = false;
};

void print_result(const engine::BenchmarkResult& r, const engine::BenchmarkParams& p, int threads) {
  fmt::print("load                {:>10.3f} s\n", r.load_seconds);
  if (r.prefill_rate > 0) {
    fmt::print("matrix product      {:>10.1f} GFLOP/s measured, 2048 cubed, {} threads\n", r.gemm_rate / 1e9, threads);
    fmt::print(
        "prefill             {:>10.1f} tokens/s at depth {}, {} tokens: {:.1f} GFLOP/s, {:.1f} % of the product\n",
        r.prefill_rate, p.depth, p.prompt_tokens, r.prefill_flops / 1e9, 100 * r.prefill_flops / r.gemm_rate);
  }
  if (r.decode_rate > 0) {
    fmt::print("read bandwidth      {:>10.1f} GB/s   measured, {} threads\n", r.read_bandwidth / 1e9, threads);
    fmt::print("decode              {:>10.2f} tokens/s at depth {}, batch {}\n", r.decode_rate, p.depth, p.batch);
    fmt::print("bytes per step      {:>10.1f} MB: {:.1f} GB/s, {:.1f} % of the bandwidth\n", r.decode_step_bytes / 1e6,
               r.decode_bandwidth / 1e9, 100 * r.decode_bandwidth / r.read_bandwidth);
  }
}

void run(BenchFlags& flags) {
  if (!flags.random_config.empty()) {
    if (flags.out.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "needs a folder to write to", "--random", "add --out DIR");
    }
    checkpoint::write_random_checkpoint_for(flags.random_config, flags.dtype, flags.out, flags.seed);
    if (flags.is_only_written) return;
    flags.model.model = flags.out;
  }
  if (flags.model.model.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "no checkpoint given", "bench", "add --model DIR or --random CONFIG");
  }
  const auto model = flags.model.load();
  const auto result =
      engine::run_benchmark(*model, flags.params, [](const std::string& stage) { log::info("measuring {}", stage); });
  print_result(result, flags.params, model->context().team.size());
}

}  // namespace

void add_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "measure load, prefill and decode beside the machine's limits");
  flags->model.add_to(*command);
  command->get_option("--model")->required(false);
  command->add_option("--prompt", flags->params.prompt_tokens, "tokens of the timed prompt")->capture_default_str();
  command->add_option("--decode", flags->params.decode_tokens, "timed steps")->capture_default_str();
  command->add_option("--depth", flags->params.depth, "positions in the cache before")->capture_default_str();
  command->add_option("--batch", flags->params.batch, "sequences that decode together")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--chunk", flags->params.chunk, "prompt tokens per forward pass")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--repeats", flags->params.repeats, "the median of so many counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--random", flags->random_config, "write a checkpoint of random weights for this config.json first")
      ->type_name("CONFIG");
  command->add_option("--out", flags->out, "where --random writes")->type_name("DIR");
  command->add_option("--dtype", flags->dtype, "format of the random weights: f32, bf16, f16 or fp8")
      ->check(CLI::IsMember({"f32", "bf16", "f16", "fp8"}))
      ->capture_default_str();
  command->add_option("--seed", flags->seed, "of the random weights")->capture_default_str();
  command->add_flag("--only-write", flags->is_only_written, "write the random checkpoint and stop");
  command->footer(
      "Examples:\n"
      "  fathom bench --model deepseek-v2-lite --prompt 512 --decode 64\n"
      "  fathom bench --random recipes/shapes/v2-lite.json --dtype fp8 --out /tmp/v2-lite-random");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
