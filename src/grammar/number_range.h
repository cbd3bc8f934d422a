#pragma once
// Numbers between two bounds, digit by digit.

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>

#include "grammar/grammar.h"

namespace fathom::grammar {

// -12.5 is {true, "12", "5"}: no leading zeros but a single one, no trailing zeros behind the point.
struct Decimal {
  bool is_negative = false;
  std::string whole = "0";
  std::string fraction = {};
};

struct Bound {
  Decimal at;
  bool is_exclusive = false;
};

// The decimal form of a JSON number. Throws Error(kInvalidData) naming `where` for anything else.
Decimal decimal_of(const boost::json::value& number, const std::string& where);

// Negative, zero or positive as a is below, at or above b.
int compare(const Decimal& a, const Decimal& b);

// Numbers within the bounds, written without exponent; whole ones within 64 bits, others with some 16 digits more than
// the bounds have. A missing bound is that of 64 bits.
NodeId number_range_node(Grammar& grammar, const std::optional<Bound>& low, const std::optional<Bound>& high,
                         bool is_integer);

}  // namespace fathom::grammar
