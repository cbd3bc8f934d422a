#include "cli/training.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/train_view.h"
#include "engine/machine_probe.h"
#include "server/dashboard.h"
#include "server/listener.h"

namespace fathom::cli {

namespace {

// A page for this run; nothing when none is wanted.
std::unique_ptr<server::Listener> serve_dashboard(const DashboardFlags& flags, const std::string& out) {
  if (flags.port == 0) return nullptr;
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail(ErrorCode::kIo, out, "cannot create: {}", error.message());
  auto listener = std::make_unique<server::Listener>(server::ListenerParams{.port = static_cast<uint16_t>(flags.port)},
                                                     server::dashboard_routes(server::dashboard_runs({out})));
  fmt::print("dashboard: {}\n", listener->url());
  std::fflush(stdout);
  return listener;
}

}  // namespace

void DashboardFlags::add_to(CLI::App& command) {
  command
      .add_flag("--dashboard{8090}", port, "show the run on a page of this machine; --dashboard=PORT for another port")
      ->check(CLI::Range(1, 65535));
}

void train_and_show(train::Trainer& trainer, const train::Recipe& recipe, const CachingAllocator& allocator,
                    const DashboardFlags& dashboard) {
  const auto listener = serve_dashboard(dashboard, recipe.out);
  const auto millions = [](int64_t n) { return static_cast<double>(n) / 1e6; };
  const std::string trained =
      recipe.lora.rank > 0 ? fmt::format(", {:.2f} M of them trained", millions(trainer.trained_count())) : "";
  const std::string title =
      fmt::format("{:.1f} M parameters{}, {} steps{}", millions(trainer.parameter_count()), trained, recipe.steps,
                  trainer.step() > 0 ? fmt::format(", going on behind step {}", trainer.step()) : "");
  fmt::print("{}\n", title);
  TrainView view(recipe.out, trainer.flops_per_token(), engine::measure_gemm_rate(trainer.context()));
  const InterruptGuard guard;
  trainer.run([&](const train::StepReport& report) { view.show(report); }, InterruptGuard::is_interrupted);
  fmt::print("{} after step {}: {}\n", trainer.step() < recipe.steps ? "stopped and saved" : "done", trainer.step(),
             *train::newest_snapshot(recipe.out));
  fmt::print("memory of activations: {:.0f} MB at most\n", static_cast<double>(allocator.peak_bytes()) / 1e6);
}

}  // namespace fathom::cli
