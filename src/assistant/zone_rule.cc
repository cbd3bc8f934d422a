#include "assistant/zone_rule.h"

#include <chrono>
#include <cstdlib>

namespace fathom::assistant {
namespace {

constexpr int64_t kDay = 86400;

int64_t year_of(int64_t unix_seconds) {
  using namespace std::chrono;
  const auto day = floor<days>(sys_seconds(seconds(unix_seconds)));
  return int{year_month_day(day).year()};
}

// Reads a rule from the front.
class RuleParser {
 public:
  explicit RuleParser(std::string_view text) : text_(text) {}

  std::optional<ZoneRule> run() {
    ZoneRule rule;
    if (!name() || !clock(rule.standard)) return std::nullopt;
    rule.standard = -rule.standard;  // POSIX counts west of Greenwich
    if (text_.empty()) return rule;
    if (!name()) return std::nullopt;
    rule.summer = rule.standard + 3600;
    if (!text_.starts_with(',')) {
      if (!clock(rule.summer)) return std::nullopt;
      rule.summer = -rule.summer;
    }
    rule.changes.emplace();
    if (!change(rule.changes->first) || !change(rule.changes->second) || !text_.empty()) return std::nullopt;
    return rule;
  }

 private:
  bool skip(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() {
    const bool is_quoted = skip('<');
    size_t length = 0;
    const auto belongs = [&](char c) {
      const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      return is_letter || (is_quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
    };
    while (length < text_.size() && belongs(text_[length])) ++length;
    text_.remove_prefix(length);
    return length >= 3 && (!is_quoted || skip('>'));
  }
  bool number(int64_t& out) {
    size_t digits = 0;
    for (out = 0; digits < text_.size() && digits < 4 && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      out = out * 10 + (text_[digits] - '0');
    }
    text_.remove_prefix(digits);
    return digits > 0;
  }
  // [+-]hours[:minutes[:seconds]]
  bool clock(int64_t& out) {
    const bool is_negative = skip('-');
    if (!is_negative) skip('+');
    int64_t hours = 0;
    int64_t minutes = 0;
    int64_t seconds = 0;
    if (!number(hours) || (skip(':') && !number(minutes)) || (skip(':') && !number(seconds))) return false;
    out = hours * 3600 + minutes * 60 + seconds;
    if (is_negative) out = -out;
    return hours <= 167 && minutes < 60 && seconds < 60;
  }
  bool change(ZoneChange& out) {
    int64_t month = 0;
    int64_t week = 0;
    int64_t weekday = 0;
    if (!skip(',') || !skip('M') || !number(month) || !skip('.') || !number(week) || !skip('.') || !number(weekday)) {
      return false;
    }
    out.month = static_cast<int>(month);
    out.week = static_cast<int>(week);
    out.weekday = static_cast<int>(weekday);
    if (skip('/') && !clock(out.seconds)) return false;
    return month >= 1 && month <= 12 && week >= 1 && week <= 5 && weekday <= 6;
  }

  std::string_view text_;
};

}  // namespace

std::optional<ZoneRule> ZoneRule::parse(std::string_view text) { return RuleParser(text).run(); }

int64_t ZoneRule::offset_at(int64_t unix_seconds) const {
  // Times that no calendar reaches.
  constexpr int64_t kLimit = int64_t{1} << 37;
  if (!changes || std::abs(unix_seconds) > kLimit) return standard;
  const int64_t year = year_of(unix_seconds + standard);
  const int64_t to_summer = changes->first.unix_seconds(year, standard);
  const int64_t back = changes->second.unix_seconds(year, summer);
  // South of the equator summer holds the turn of the year.
  const bool is_summer = to_summer < back ? unix_seconds >= to_summer && unix_seconds < back
                                          : unix_seconds >= to_summer || unix_seconds < back;
  return is_summer ? summer : standard;
}

int64_t ZoneChange::unix_seconds(int64_t year, int64_t offset) const {
  using std::chrono::last;
  using std::chrono::sys_days;
  const auto of_year = std::chrono::year(static_cast<int>(year)) / std::chrono::month(static_cast<unsigned>(month));
  const std::chrono::weekday on(static_cast<unsigned>(weekday));
  const sys_days day = week == 5 ? sys_days(of_year / on[last]) : sys_days(of_year / on[static_cast<unsigned>(week)]);
  return day.time_since_epoch().count() * kDay + seconds - offset;
}

}  // namespace fathom::assistant
