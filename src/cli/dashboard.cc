// fathom dashboard: runs on a page, while they train and afterwards.

#include "server/dashboard.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "server/listener.h"

namespace fathom::cli {
namespace {

// How soon Control-C is noticed.
constexpr auto kLookTime = std::chrono::milliseconds(100);

struct PageFlags {
  std::vector<std::string> runs;
  std::string host = "127.0.0.1";
  int port = 8090;
};

void run(const PageFlags& flags) {
  const auto runs = server::dashboard_runs(flags.runs);
  const InterruptGuard guard;
  const server::Listener listener({.host = flags.host, .port = static_cast<uint16_t>(flags.port)},
                                  server::dashboard_routes(runs));
  fmt::print("{} {} at {}   (Control-C ends it)\n", runs.size(), runs.size() == 1 ? "run" : "runs", listener.url());
  std::fflush(stdout);
  while (!InterruptGuard::is_interrupted()) std::this_thread::sleep_for(kLookTime);
}

}  // namespace

void add_dashboard(CLI::App& app) {
  auto flags = std::make_shared<PageFlags>();
  CLI::App* command = app.add_subcommand("dashboard", "show runs on a page, live while they train");
  command->add_option("runs", flags->runs, "folders of runs, or files of metrics; several are laid over each other")
      ->required()
      ->type_name("RUN");
  command->add_option("--host", flags->host, "address to listen at; 0.0.0.0 lets other machines see the runs")
      ->capture_default_str();
  command->add_option("--port", flags->port, "port to listen at; 0: one that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->footer("Example:\n  fathom dashboard runs/small runs/wide");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
