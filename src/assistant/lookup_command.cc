#include "assistant/lookup_command.h"

#include <fmt/format.h>

namespace fathom::assistant {
namespace {

constexpr std::string_view kDeclaration =
    R"json({"name": "lookup_command", "description": "Look up examples for a shell command.", )json"
    R"json("parameters": {"type": "object", "properties": )json"
    R"json({"name": {"type": "string", "description": "the command"}}, "required": ["name"]}})json";

constexpr size_t kMostNames = 5;
constexpr size_t kMostShownBytes = 60;

}  // namespace

LookupCommand::LookupCommand(PageIndex pages) : Tool(kDeclaration), pages_(std::move(pages)) {}

std::string LookupCommand::run(const json::Reader& arguments) {
  const std::string_view name = arguments.get("name").as_string();
  if (const std::string* page = pages_.find(name)) return *page;
  std::string names;
  for (const std::string& each : pages_.similar(name, kMostNames)) names += (names.empty() ? "" : ", ") + each;
  const std::string asked = name.size() <= kMostShownBytes ? fmt::format("'{}'", name) : "a name that long";
  return fmt::format("no page for {}", asked) + (names.empty() ? "" : "; pages with similar names: " + names);
}

}  // namespace fathom::assistant
