// Time of a mask with the vocabulary of the goldens (129k tokens): texts are followed token by token, and what each
// mask took is reported as median, 99th percentile and largest; "cold" begins with nothing remembered.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>

#include "base/json.h"
#include "grammar/matcher.h"
#include "tokenizer/tokenizer.h"

namespace fathom::grammar {
namespace {

const tokenizer::Tokenizer& tokenizer_of_goldens() {
  static const auto loaded = tokenizer::Tokenizer::load("tests/goldens/tokenizer");
  return *loaded;
}

std::shared_ptr<const TokenVocabulary> vocabulary() {
  static const auto made = TokenVocabulary::from_tokenizer(tokenizer_of_goldens());
  return made;
}

constexpr const char* kSchema = R"({"type":"object","properties":{
  "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"born":{"type":"string","format":"date"},
  "kind":{"enum":["person","company","other"]},"tags":{"type":"array","items":{"type":"string"}},
  "address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"}},
             "required":["street","city"],"additionalProperties":false},
  "note":{"type":"string","maxLength":200}},
  "required":["name","age","kind"],"additionalProperties":false})";

constexpr const char* kRecord = R"({"name": "Ada Lovelace, Countess of \"King\"", "age": 36, "born": "1815-12-10", )"
                                R"("kind": "person", "tags": ["mathematics", "computing", "poetry — 诗"], )"
                                R"("address": {"street": "12 St James's Square", "city": "London"}, )"
                                R"("note": "Wrote the first program for the Analytical Engine."})";

constexpr const char* kNested =
    "{\n  \"items\": [\n    {\"id\": 12345, \"price\": -0.75e3, \"ok\": true, \"more\": [[1, 2], "
    "{\"deep\": {\"er\": null}}]},\n    {\"id\": 7, \"title\": \"Über den Wolken\\n\"}\n  ]\n}";

struct Task {
  const char* name;
  Grammar (*make)();
  const char* text;
};

const Task kTasks[] = {
    {"any_json", [] { return Grammar::any_json(); }, kNested},
    {"schema", [] { return Grammar::from_json_schema(json::parse(kSchema, "schema")); }, kRecord},
    {"regex", [] { return Grammar::from_regex("(\\p{L}+[ .,!?]{1,2})+"); },
     "The quick brown fox, jumps over the lazy dog. "},
    {"ebnf", [] { return Grammar::from_ebnf("root ::= t ([-+*/] t)*\nt ::= [0-9]+ | \"(\" root \")\""); },
     "12+(345*(6-7))/89+(1)"},
};

// Of this thread's processor time: a loaded machine must not count.
double now_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// Follows the text once; microseconds of each mask are added to `times`.
void follow(const std::shared_ptr<const CompiledGrammar>& grammar, const std::vector<TokenId>& tokens,
            std::vector<double>& times) {
  Matcher matcher(grammar);
  std::vector<uint64_t> mask(vocabulary()->mask_words());
  for (const TokenId token : tokens) {
    const double begin = now_us();
    matcher.mask(mask);
    times.push_back(now_us() - begin);
    if (!matcher.accept(token)) throw std::runtime_error("the text is not the grammar's");
  }
}

void report(benchmark::State& state, std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  state.counters["median_us"] = times[times.size() / 2];
  state.counters["p99_us"] = times[times.size() * 99 / 100];
  state.counters["max_us"] = times.back();
}

void run_masks(benchmark::State& state, const Task& task, bool is_cold) {
  const std::vector<TokenId> tokens = tokenizer_of_goldens().encode(task.text);
  const Grammar grammar = task.make();
  auto compiled = std::make_shared<const CompiledGrammar>(grammar, vocabulary());
  std::vector<double> times;
  if (!is_cold) follow(compiled, tokens, times);
  times.clear();
  for (auto _ : state) {
    if (is_cold) compiled = std::make_shared<const CompiledGrammar>(grammar, vocabulary());
    follow(compiled, tokens, times);
  }
  report(state, times);
  state.counters["tokens"] = static_cast<double>(tokens.size());
  state.counters["cache_KiB"] = static_cast<double>(compiled->masks().bytes()) / 1024;
}

void run_compile(benchmark::State& state, const Task& task) {
  for (auto _ : state) {
    const CompiledGrammar compiled(task.make(), vocabulary());
    benchmark::DoNotOptimize(compiled.automaton().state_count());
    state.counters["states"] = static_cast<double>(compiled.automaton().state_count());
  }
}

int run(int argc, char** argv) {
  for (const Task& task : kTasks) {
    const std::string name = task.name;
    benchmark::RegisterBenchmark(("compile/" + name).c_str(), run_compile, task);
    benchmark::RegisterBenchmark(("cold/" + name).c_str(), run_masks, task, true);
    benchmark::RegisterBenchmark(("warm/" + name).c_str(), run_masks, task, false);
  }
  benchmark::RegisterBenchmark("vocabulary", [](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(TokenVocabulary::from_tokenizer(tokenizer_of_goldens()));
  });
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::grammar

int main(int argc, char** argv) { return fathom::grammar::run(argc, argv); }
