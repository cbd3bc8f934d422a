#pragma once
// The subcommands of `fathom`. Each file beside this one adds one of them and holds nothing but its flags and the calls
// that it makes; what it does lives on the floors below.

#include <CLI/CLI.hpp>

namespace fathom::cli {

// Each adds its subcommand to `app`; parsing runs it.
void add_info(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_render(CLI::App& app);

void add_tokenizer(CLI::App& app);
void add_data(CLI::App& app);
void add_train(CLI::App& app);
void add_finetune(CLI::App& app);
void add_dashboard(CLI::App& app);
void add_eval(CLI::App& app);
void add_export(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_bench(CLI::App& app);

// `fathom inspect` and what is below it.
void add_inspect(CLI::App& app);
void add_inspect_diff(CLI::App& inspect);
void add_inspect_forward(CLI::App& inspect);
void add_inspect_train(CLI::App& inspect);

}  // namespace fathom::cli
