#include "cli/command.h"

namespace fathom::cli {

void add_inspect(CLI::App& app) {
  CLI::App* inspect = app.add_subcommand("inspect", "hold the engine's numbers against a reference");
  inspect->require_subcommand(1);
  inspect->footer(
      "Example:\n"
      "  fathom inspect forward --model goldens/v3 --prompts goldens/v3/golden.safetensors --out out.safetensors\n"
      "  fathom inspect diff goldens/v3/golden.safetensors out.safetensors");
  add_inspect_forward(*inspect);
  add_inspect_train(*inspect);
  add_inspect_diff(*inspect);
}

}  // namespace fathom::cli
