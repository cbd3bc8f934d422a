// Runs files of the JSON Schema Test Suite: json_schema_suite FILE... Schemas that are refused are counted apart.
// Instances are held against the grammar as json::dump writes them, so one whose properties come in another order than
// the schema's, or a whole number written 1.0, is "stricter" and no fault; an invalid one that passes is.

#include <fmt/format.h>

#include <exception>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "grammar/automaton.h"
#include "grammar/configuration.h"

namespace fathom::grammar {
namespace {

struct Tally {
  int agreed = 0;
  int stricter = 0;
  int wrong = 0;
  int refused = 0;
};

bool reads(const Automaton& automaton, const std::string& text) {
  FramePool frames;
  Stepper stepper(automaton, frames);
  stepper.begin();
  stepper.enter({automaton.start(), kBottom});
  for (const char c : text) {
    const std::vector<Place> from = stepper.places();
    stepper.begin();
    stepper.step(from, static_cast<uint8_t>(c));
  }
  return stepper.has_ended();
}

void run_group(const json::Reader& group, const std::string& file, Tally& tally) {
  std::optional<Automaton> automaton;
  try {
    automaton = Automaton::compile(Grammar::from_json_schema(group.get("schema").value()));
  } catch (const Error& error) {
    // A schema that admits nothing is a grammar without texts.
    if (std::string(error.what()).find("no text") == std::string::npos) {
      ++tally.refused;
      return;
    }
  }
  for (const json::Reader& test : group.get("tests").items()) {
    const bool is_valid = test.get("valid").as_bool();
    const std::string text = json::dump(test.get("data").value());
    const bool is_read = automaton && reads(*automaton, text);
    ++(is_read == is_valid ? tally.agreed : is_valid ? tally.stricter : tally.wrong);
    if (is_read == is_valid) continue;
    fmt::print("{}: {}: {}: {} {}\n", is_valid ? "stricter" : "WRONG", file,
               json::dump(group.get("description").value()), is_valid ? "refuses" : "accepts", text.substr(0, 100));
  }
}

int run(int argc, char** argv) {
  Tally tally;
  for (int i = 1; i < argc; ++i) {
    const json::Value file = json::parse_file(argv[i]);
    for (const json::Reader& group : json::Reader(file, argv[i]).items()) run_group(group, argv[i], tally);
  }
  fmt::print("agreed {}, stricter {}, wrong {}, schemas refused {}\n", tally.agreed, tally.stricter, tally.wrong,
             tally.refused);
  return tally.wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fathom::grammar

int main(int argc, char** argv) {
  try {
    return fathom::grammar::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
}
