#pragma once
// The rule in the footer of a time zone file: "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX's TZ).

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace fathom::assistant {

// "M3.5.0/2": month, week, weekday, time.
struct ZoneChange {
  int month = 1;
  int week = 1;            // 5 is the last one
  int weekday = 0;         // Sunday
  int64_t seconds = 7200;  // local time; may lie outside of the day

  // In UTC, with the offset in force before it.
  int64_t unix_seconds(int64_t year, int64_t offset) const;
};

struct ZoneRule {
  int64_t standard = 0;  // seconds to be added to UTC
  int64_t summer = 0;
  std::optional<std::pair<ZoneChange, ZoneChange>> changes;  // to summer time and back

  // Nothing for other forms than these, which zone files do not use today.
  [[nodiscard]] static std::optional<ZoneRule> parse(std::string_view text);

  int64_t offset_at(int64_t unix_seconds) const;
};

}  // namespace fathom::assistant
