// fathom: one program, a subcommand for each thing it does. An Error becomes one line on standard error and exit
// code 1.

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "cli/command.h"

int main(int argc, char** argv) {
  CLI::App app{"Fathom trains, fine-tunes and serves language models of the DeepSeek-V3 architecture."};
  app.name("fathom");
  app.require_subcommand(1);
  app.set_version_flag("--version", FATHOM_VERSION);
  try {
    fathom::cli::add_info(app);
    fathom::cli::add_tokenize(app);
    fathom::cli::add_generate(app);
    fathom::cli::add_bench(app);
    fathom::cli::add_inspect(app);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
