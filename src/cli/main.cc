// fathom: one program, a subcommand for each thing it does. An Error, a wrong flag too, becomes one line on standard
// error and exit code 1.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"

namespace fathom::cli {
namespace {

// "fathom inspect diff": as far as the words of the command line were understood.
std::string command_name(const CLI::App& app) {
  std::string name = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return name;
}

// What was printed may still be in a buffer: a full disk shows here at the latest.
void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ErrorCode::kIo, "standard output", "cannot write: {}", std::strerror(errno));
  }
}

void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app.exit(e);
  } catch (const CLI::RequiredError& e) {
    const auto unknown = app.remaining(true);
    throw Error(ErrorCode::kInvalidArgument, unknown.empty() ? e.what() : unknown.front() + " is not known", "",
                "see " + command_name(app) + " --help");
  } catch (const CLI::ParseError& e) {
    throw Error(ErrorCode::kInvalidArgument, e.what(), "", "see " + command_name(app) + " --help");
  }
  flush_output();
}

}  // namespace
}  // namespace fathom::cli

int main(int argc, char** argv) {
  using namespace fathom::cli;
  try {
    CLI::App app{"Fathom trains, fine-tunes and serves language models of the DeepSeek-V3 architecture."};
    app.name("fathom");
    app.require_subcommand(1);
    app.set_version_flag("--version", FATHOM_VERSION);
    add_info(app);
    add_tokenize(app);
    add_tokenizer(app);
    add_data(app);
    add_train(app);
    add_finetune(app);
    add_dashboard(app);
    add_eval(app);
    add_export(app);
    add_render(app);
    add_generate(app);
    add_chat(app);
    add_bench(app);
    add_inspect(app);
    parse(app, argc, argv);
    return 0;
  } catch (const Interrupted&) {
    return kInterruptedExitCode;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory\n");
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
