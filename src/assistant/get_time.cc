#include "assistant/get_time.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "assistant/city_zones.h"
#include "assistant/time_zone.h"
#include "base/mapped_file.h"

namespace fathom::assistant {
namespace {

constexpr std::string_view kDeclaration =
    R"json({"name": "get_time", "description": "Current time in a city.", )json"
    R"json("parameters": {"type": "object", "properties": )json"
    R"json({"city": {"type": "string", "description": "city name"}}, "required": ["city"]}})json";

constexpr int64_t kDay = 86400;
constexpr size_t kMostFileBytes = size_t{1} << 20;
constexpr size_t kMostShownBytes = 60;

int64_t now() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

GetTime::GetTime(std::function<int64_t()> clock, std::string folder)
    : Tool(kDeclaration), clock_(std::move(clock)), folder_(std::move(folder)) {}

GetTime::GetTime() : GetTime(now) {}

std::string GetTime::run(const json::Reader& arguments) {
  const std::string_view city = arguments.get("city").as_string();
  const auto name = zone_of_city(city, read_text_file(folder_ + "/tzdata.zi", kMostFileBytes));
  if (!name) {
    return city.size() <= kMostShownBytes ? fmt::format("no time zone is known for '{}'", city)
                                          : "no time zone is known for a name that long";
  }
  const std::string path = folder_ + "/" + *name;
  const int64_t seconds = clock_();
  const int64_t local = seconds + TimeZone::parse(read_text_file(path, kMostFileBytes), path).offset_at(seconds);
  const int64_t of_day = (local % kDay + kDay) % kDay;
  return fmt::format("{:02}:{:02}", of_day / 3600, of_day / 60 % 60);
}

}  // namespace fathom::assistant
