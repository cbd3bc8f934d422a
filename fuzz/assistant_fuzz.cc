// Bytes as what the tools read: a bundle of pages, a time zone's file and its rule, the arguments of a call.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "assistant/calculator.h"
#include "assistant/call_text.h"
#include "assistant/city_zones.h"
#include "assistant/lookup_command.h"
#include "assistant/time_zone.h"
#include "assistant/tool_box.h"
#include "base/error.h"

namespace {

using namespace fathom::assistant;

constexpr int64_t kTimes[] = {INT64_MIN / 2, -1, 0, 1721044800, 4102444800, INT64_MAX / 2};

void read_pages(std::string_view text) {
  const PageIndex pages = PageIndex::parse(text, "pages");
  pages.find(text);
  if (pages.similar(text, 3).size() > 3) std::abort();
}

void read_zone(std::string_view text) {
  if (const auto rule = ZoneRule::parse(text)) {
    for (const int64_t time : kTimes) rule->offset_at(time);
  }
  const TimeZone zone = TimeZone::parse(text, "zone");
  for (const int64_t time : kTimes) zone.offset_at(time);
}

void run_call(std::string_view text) {
  static const ToolBox* const tools = [] {
    auto* out = new ToolBox;
    out->add(std::make_unique<Calculator>());
    out->add(std::make_unique<LookupCommand>(PageIndex::parse(R"({"name": "tar", "page": "# tar"})", "pages")));
    return out;
  }();
  for (const char* name : {"calculator", "lookup_command"}) {
    const fathom::tokenizer::ToolCall call = {.name = name, .arguments = std::string(text)};
    const std::string result = tools->run(call);
    if (result.empty()) std::abort();
    call_text(call, text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  run_call(text);  // throws nothing
  (void)zone_of_city(text, "Z Europe/Paris 0:9:21 - LMT\nL Europe/Paris Europe/Monaco\n");
  (void)zone_of_city("Paris", text);
  for (const auto read : {read_pages, read_zone}) {
    try {
      read(text);
    } catch (const fathom::Error&) {
    }
  }
  return 0;
}
