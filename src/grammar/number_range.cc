#include "grammar/number_range.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/json.h"
#include "grammar/code_points.h"

namespace fathom::grammar {
namespace {

constexpr uint64_t kMaxWhole = INT64_MAX;
constexpr size_t kMoreDigits = 16;

uint64_t whole_of(const std::string& digits) {
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc() && end == digits.data() + digits.size() ? std::min(out, kMaxWhole + 1) : kMaxWhole + 1;
}

int compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int order = a.whole.compare(b.whole); order != 0) return order;
  return a.fraction.compare(b.fraction);  // a longer fraction has a last digit other than 0
}

// Digits behind the point between those of the bounds that still matter: `low` and `high` are tight while the digits
// written so far equal theirs.
class Fractions {
 public:
  Fractions(Grammar& grammar, const Bound& low, const Bound& high)
      : grammar_(grammar),
        low_(low),
        high_(high),
        max_digits_(std::max(low.at.fraction.size(), high.at.fraction.size()) + kMoreDigits) {}

  // What may follow a whole number: nothing, or a point and digits.
  NodeId tail(bool is_low_tight, bool is_high_tight) {
    const NodeId digits = rest(0, is_low_tight, is_high_tight, false);
    const NodeId pointed = grammar_.sequence({grammar_.literal("."), digits});
    return may_stop(0, is_low_tight, is_high_tight) ? grammar_.optional(pointed) : pointed;
  }

 private:
  bool may_stop(size_t at, bool is_low_tight, bool is_high_tight) const {
    // Stopping means zeros from here on: below a tight bound that has digits left.
    if (is_low_tight && (at < low_.at.fraction.size() || low_.is_exclusive)) return false;
    return !is_high_tight || at < high_.at.fraction.size() || !high_.is_exclusive;
  }

  static char digit_at(const Bound& bound, size_t at) {
    return at < bound.at.fraction.size() ? bound.at.fraction[at] : '0';
  }

  NodeId rest(size_t at, bool is_low_tight, bool is_high_tight, bool has_digit) {
    const auto left = static_cast<uint32_t>(max_digits_ - at);
    if (!is_low_tight && !is_high_tight) {
      return grammar_.repeat(grammar_.bytes({{'0', '9'}}), has_digit ? 0 : 1, left);
    }
    std::vector<NodeId> choices;
    if (has_digit && may_stop(at, is_low_tight, is_high_tight)) choices.push_back(grammar_.empty());
    const char from = is_low_tight ? digit_at(low_, at) : '0';
    const char to = is_high_tight ? digit_at(high_, at) : '9';
    for (char digit = from; left > 0 && digit <= to; ++digit) {
      const bool stays_low = is_low_tight && digit == from;
      const bool stays_high = is_high_tight && digit == to;
      const NodeId next = rest(at + 1, stays_low, stays_high, true);
      choices.push_back(grammar_.sequence({grammar_.literal(std::string_view(&digit, 1)), next}));
    }
    return grammar_.choice(std::move(choices));
  }

  Grammar& grammar_;
  const Bound& low_;
  const Bound& high_;
  size_t max_digits_;
};

NodeId whole_range(Grammar& grammar, uint64_t low, uint64_t high) {
  std::vector<std::vector<ByteRange>> parts;
  uint64_t least = 0;  // of the numbers with so many digits
  uint64_t most = 9;
  while (low <= high) {
    if (low <= most) {
      const uint64_t end = std::min(high, most);
      const auto more = split_range(std::to_string(std::max(low, least)), std::to_string(end), '0', '9');
      parts.insert(parts.end(), more.begin(), more.end());
      if (end == high) break;
      low = most + 1;
    }
    least = most + 1;
    most = most * 10 + 9;
  }
  return sequences_node(grammar, parts);
}

// Numbers of either sign's magnitude; bounds are not negative.
NodeId magnitude_node(Grammar& grammar, const Bound& low, const Bound& high, bool is_integer) {
  const int order = compare_magnitudes(low.at, high.at);
  if (order > 0 || (order == 0 && (low.is_exclusive || high.is_exclusive))) return grammar.never();
  const uint64_t low_whole = whole_of(low.at.whole);
  const uint64_t high_whole = whole_of(high.at.whole);
  if (is_integer) {
    const uint64_t from = low_whole + (low.is_exclusive || !low.at.fraction.empty() ? 1 : 0);
    const bool is_cut = high.is_exclusive && high.at.fraction.empty();
    if (is_cut && high_whole == 0) return grammar.never();
    return from > high_whole - (is_cut ? 1 : 0) ? grammar.never()
                                                : whole_range(grammar, from, high_whole - (is_cut ? 1 : 0));
  }
  Fractions fractions(grammar, low, high);
  const auto at = [&](uint64_t whole) { return grammar.literal(std::to_string(whole)); };
  if (low_whole == high_whole) return grammar.sequence({at(low_whole), fractions.tail(true, true)});
  std::vector<NodeId> choices = {grammar.sequence({at(low_whole), fractions.tail(true, false)}),
                                 grammar.sequence({at(high_whole), fractions.tail(false, true)})};
  if (low_whole + 1 < high_whole) {
    choices.push_back(
        grammar.sequence({whole_range(grammar, low_whole + 1, high_whole - 1), fractions.tail(false, false)}));
  }
  return grammar.choice(std::move(choices));
}

bool is_zero(const Decimal& number) { return number.whole == "0" && number.fraction.empty(); }

Bound magnitude_of(Bound bound) {
  bound.at.is_negative = false;
  return bound;
}

}  // namespace

Decimal decimal_of(const boost::json::value& number, const std::string& where) {
  std::string text;
  if (number.is_int64()) text = std::to_string(number.get_int64());
  if (number.is_uint64()) text = std::to_string(number.get_uint64());
  if (number.is_double()) {
    char buffer[1100];
    text.assign(buffer,
                std::to_chars(buffer, buffer + sizeof(buffer), number.get_double(), std::chars_format::fixed).ptr);
  }
  if (text.empty()) fail(ErrorCode::kInvalidData, where, "found {}, expected a number", json::dump(number));
  Decimal out;
  out.is_negative = text[0] == '-';
  if (out.is_negative) text.erase(0, 1);
  const size_t point = std::min(text.find('.'), text.size());
  out.whole = text.substr(0, point);
  if (point < text.size()) out.fraction = text.substr(point + 1);
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.pop_back();
  if (is_zero(out)) out.is_negative = false;
  return out;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.is_negative != b.is_negative) return a.is_negative ? -1 : 1;
  return a.is_negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

NodeId number_range_node(Grammar& grammar, const std::optional<Bound>& low, const std::optional<Bound>& high,
                         bool is_integer) {
  const Bound zero = {.at = {}};
  const Bound above_zero = {.at = {}, .is_exclusive = true};
  const Bound most = {.at = {.whole = std::to_string(kMaxWhole)}};
  const auto limited = [&](const Bound& bound) {
    return compare_magnitudes(bound.at, most.at) > 0 ? most : magnitude_of(bound);
  };
  std::vector<NodeId> choices;
  const bool is_low_negative = !low || low->at.is_negative;
  if (!high || !high->at.is_negative) {
    const Bound from = is_low_negative ? zero : magnitude_of(*low);
    choices.push_back(magnitude_node(grammar, from, high ? limited(*high) : most, is_integer));
  }
  if (is_low_negative) {
    const Bound from = high && high->at.is_negative ? magnitude_of(*high) : above_zero;
    const NodeId magnitude = magnitude_node(grammar, from, low ? limited(*low) : most, is_integer);
    choices.push_back(grammar.sequence({grammar.literal("-"), magnitude}));
  }
  return grammar.choice(std::move(choices));
}

}  // namespace fathom::grammar
