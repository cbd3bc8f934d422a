#include "cli/command.h"

namespace fathom::cli {

void add_inspect(CLI::App& app) {
  CLI::App* inspect = app.add_subcommand("inspect", "hold the engine's numbers against a reference");
  inspect->require_subcommand(1);
  add_inspect_forward(*inspect);
  add_inspect_train(*inspect);
  add_inspect_diff(*inspect);
}

}  // namespace fathom::cli
