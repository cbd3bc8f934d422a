// Times in cities, by a clock that stands still.

#include "assistant/time_zone.h"

#include <gtest/gtest.h>

#include "assistant/city_zones.h"
#include "assistant/get_time.h"
#include "assistant/zone_rule.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace fathom::assistant {
namespace {

constexpr int64_t kJanuary = 1705320000;  // 2024-01-15 12:00 UTC
constexpr int64_t kJuly = 1721044800;     // 2024-07-15 12:00 UTC
constexpr int64_t kLater = 2541844800;    // 2050-07-19 12:00 UTC, behind the tables of changes

std::string time_in(const std::string& city, int64_t now) {
  GetTime tool([now] { return now; });
  const json::Value arguments = json::Object{{"city", city}};
  return tool.run(json::Reader(arguments, "arguments"));
}

TEST(GetTime, KnowsTheTimeOfDayInACity) {
  const struct {
    const char* city;
    const char* january;
    const char* july;
  } cases[] = {
      {"Paris", "13:00", "14:00"},           {"London", "12:00", "13:00"},
      {"New York", "07:00", "08:00"},        {"Tokyo", "21:00", "21:00"},
      {"Kathmandu", "17:45", "17:45"},       {"Sydney", "23:00", "22:00"},
      {"Beijing", "20:00", "20:00"},         {"Auckland", "01:00", "00:00"},
      {"sao paulo", "09:00", "09:00"},       {"São Paulo", "09:00", "09:00"},
      {"Paris, France", "13:00", "14:00"},   {"Washington, DC", "07:00", "08:00"},
      {"N'Djamena", "13:00", "13:00"},       {"Mexico City", "06:00", "06:00"},
      {"Port-au-Prince", "07:00", "08:00"},  {"Buenos Aires", "09:00", "09:00"},
      {"  Ho_Chi-Minh  ", "19:00", "19:00"}, {"Tegucigalpa", "06:00", "06:00"},
      {"Japan", "21:00", "21:00"},           {"UTC", "12:00", "12:00"},
      {"San Francisco", "04:00", "05:00"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(time_in(each.city, kJanuary), each.january) << each.city;
    EXPECT_EQ(time_in(each.city, kJuly), each.july) << each.city;
  }
  EXPECT_EQ(time_in("Paris", kLater), "14:00");
  EXPECT_EQ(time_in("Tokyo", kLater), "21:00");
  EXPECT_EQ(time_in("Paris", -1), "00:59");
}

TEST(GetTime, UnknownPlacesAreAText) {
  EXPECT_EQ(time_in("Atlantis", kJuly), "no time zone is known for 'Atlantis'");
  EXPECT_EQ(time_in("", kJuly), "no time zone is known for ''");
  EXPECT_EQ(time_in("../../../etc/passwd", kJuly), "no time zone is known for '../../../etc/passwd'");
  EXPECT_EQ(time_in(std::string(500, 'a'), kJuly), "no time zone is known for a name that long");
}

TEST(GetTime, EveryZoneOfTheTableIsThere) {
  const std::string table = read_text_file("/usr/share/zoneinfo/tzdata.zi");
  for (const char* city : {"abuja", "nukualofa", "saint georges", "yaounde", "ottawa", "kyiv", "washington dc"}) {
    const auto zone = zone_of_city(city, table);
    ASSERT_TRUE(zone) << city;
    const std::string path = "/usr/share/zoneinfo/" + *zone;
    EXPECT_NO_THROW(TimeZone::parse(read_text_file(path), path)) << city;
  }
}

TEST(ZoneRule, SaysWhenSummerIs) {
  const auto paris = ZoneRule::parse("CET-1CEST,M3.5.0,M10.5.0/3");
  ASSERT_TRUE(paris);
  constexpr int64_t kToSummer = 1711846800;  // 2024-03-31 01:00 UTC
  constexpr int64_t kBack = 1729990800;      // 2024-10-27 01:00 UTC
  EXPECT_EQ(paris->offset_at(kToSummer - 1), 3600);
  EXPECT_EQ(paris->offset_at(kToSummer), 7200);
  EXPECT_EQ(paris->offset_at(kBack - 1), 7200);
  EXPECT_EQ(paris->offset_at(kBack), 3600);
  const auto sydney = ZoneRule::parse("AEST-10AEDT,M10.1.0,M4.1.0/3");
  ASSERT_TRUE(sydney);
  EXPECT_EQ(sydney->offset_at(kJanuary), 39600);
  EXPECT_EQ(sydney->offset_at(kJuly), 36000);
  EXPECT_EQ(ZoneRule::parse("<+0545>-5:45")->offset_at(kJuly), 20700);
  EXPECT_EQ(ZoneRule::parse("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")->offset_at(kJuly), -3600);
  EXPECT_EQ(ZoneRule::parse("IST-2IDT,M3.4.4/26,M10.5.0")->offset_at(kJuly), 10800);
  for (const char* bad :
       {"", "CE-1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0/3", "CET-1CEST,M3.0.0,M10.5.0/3",
        "CET-1CEST,M3.5.7,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3x", "<+01-1", "CET-999"}) {
    EXPECT_FALSE(ZoneRule::parse(bad)) << bad;
  }
}

TEST(TimeZone, BrokenFilesAreRefused) {
  const std::string path = "/usr/share/zoneinfo/Europe/Paris";
  const std::string whole = read_text_file(path);
  EXPECT_NO_THROW(TimeZone::parse(whole, path));
  // A cut behind the tables takes only the rule away.
  for (size_t size = 0; size < whole.size(); size += 7) {
    try {
      TimeZone::parse(std::string_view(whole).substr(0, size), path).offset_at(kJuly);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    }
  }
  EXPECT_THROW(TimeZone::parse("TZif1", path), Error);
  EXPECT_THROW(TimeZone::parse(std::string(100, '\xff'), path), Error);
}

}  // namespace
}  // namespace fathom::assistant
