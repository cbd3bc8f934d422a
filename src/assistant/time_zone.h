#pragma once
// Offsets of a time zone from its compiled file (TZif, RFC 8536), without the process's own time zone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assistant/zone_rule.h"

namespace fathom::assistant {

class TimeZone {
 public:
  // The bytes of a file of /usr/share/zoneinfo, version 2 or later. Throws Error(kInvalidData) with `where`.
  static TimeZone parse(std::string_view bytes, const std::string& where);

  // Seconds to be added to UTC at `unix_seconds`: from the table of changes, behind its end from the rule.
  int64_t offset_at(int64_t unix_seconds) const;

 private:
  int64_t first_offset_ = 0;      // before the first change
  std::vector<int64_t> times_;    // of changes, in order
  std::vector<int64_t> offsets_;  // from each of them on
  std::optional<ZoneRule> rule_;
};

}  // namespace fathom::assistant
