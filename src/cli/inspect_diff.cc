// fathom inspect diff: where two files of numbers differ.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "checkpoint/compare.h"
#include "cli/command.h"

namespace fathom::cli {
namespace {

struct DiffFlags {
  std::string a;
  std::string b;
  double tolerance = 1e-4;
  bool may_miss = false;
};

std::string verdict(const checkpoint::Difference& d) {
  if (!d.problem.empty()) return d.problem + " at " + shape_text(d.where);
  if (d.mismatches > 0) return fmt::format("{} ids differ, first at {}", d.mismatches, shape_text(d.where));
  if (d.is_integer) return "equal";
  return fmt::format("{:<12.4g} {:<12.4g} {:<12.4g} {}", d.max_absolute, d.max_relative, d.rms, shape_text(d.where));
}

void run(const DiffFlags& flags) {
  const auto a = checkpoint::SafetensorsFile::open(flags.a);
  const auto b = checkpoint::SafetensorsFile::open(flags.b);
  const auto comparison = checkpoint::compare(*a, *b);
  size_t width = 6;
  for (const auto& d : comparison.both) width = std::max(width, d.name.size());
  fmt::print("  {:<{}}  {:<12} {:<12} {:<12} at\n", "tensor", width, "max abs", "max/std", "rms");
  int64_t outside = 0;
  for (const auto& d : comparison.both) {
    const bool is_fine = d.is_within(flags.tolerance);
    outside += is_fine ? 0 : 1;
    fmt::print("{} {:<{}}  {}\n", is_fine ? " " : "!", d.name, width, verdict(d));
  }
  for (const auto& name : comparison.only_in_a) fmt::print("< {}\n", name);
  for (const auto& name : comparison.only_in_b) fmt::print("> {}\n", name);
  const bool misses = !comparison.only_in_a.empty() && !flags.may_miss;
  if (outside > 0 || misses) {
    fail(ErrorCode::kInvalidData, flags.b, "{} tensors outside of {:g}, {} missing", outside, flags.tolerance,
         comparison.only_in_a.size());
  }
  fmt::print("{} tensors within {:g}\n", comparison.both.size(), flags.tolerance);
}

}  // namespace

void add_inspect_diff(CLI::App& inspect) {
  auto flags = std::make_shared<DiffFlags>();
  CLI::App* command = inspect.add_subcommand("diff", "compare two safetensors files of numbers, tensor by tensor");
  command->add_option("a", flags->a, "the reference")->required()->type_name("FILE");
  command->add_option("b", flags->b, "what is held against it")->required()->type_name("FILE");
  command->add_option("--tolerance", flags->tolerance, "largest difference over the reference's standard deviation")
      ->capture_default_str();
  command->add_flag("--allow-missing", flags->may_miss, "tensors that the second file lacks are no failure");
  command->footer("Example:\n  fathom inspect diff golden.safetensors out.safetensors");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
