// Encoding with the vocabulary of the goldens: English prose and code (FATHOM_BENCH_TEXT names a file of your own), and
// hostile texts, whose rate must not fall with their length.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

const Tokenizer& tokenizer() {
  static const auto loaded = Tokenizer::load("tests/goldens/tokenizer");
  return *loaded;
}

std::string english() {
  const char* path = std::getenv("FATHOM_BENCH_TEXT");
  if (path != nullptr) return read_text_file(path);
  std::string text;
  for (const char* file : {"LICENSE", "README.md", "docs/architecture.md", "docs/performance.md"}) {
    text += read_text_file(file);
  }
  return text;
}

void encode(benchmark::State& state, const std::string& text) {
  size_t tokens = 0;
  for (auto _ : state) tokens = tokenizer().encode(text).size();
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * static_cast<int64_t>(state.iterations()));
  state.counters["bytes/token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

std::string repeated(const std::string& unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

int run(int argc, char** argv) {
  benchmark::RegisterBenchmark("encode/english", encode, english());
  for (const auto& [name, unit] :
       std::initializer_list<std::pair<const char*, const char*>>{{"letter", "a"},
                                                                  {"spaces", " "},
                                                                  {"newlines", "\n"},
                                                                  {"emoji", "👍"},
                                                                  {"digits", "1"},
                                                                  {"combining", "e\u0301"}}) {
    for (const size_t kib : {16, 1024}) {
      benchmark::RegisterBenchmark((std::string("encode/") + name + "/" + std::to_string(kib) + "KiB").c_str(), encode,
                                   repeated(unit, kib << 10));
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::tokenizer

int main(int argc, char** argv) { return fathom::tokenizer::run(argc, argv); }
