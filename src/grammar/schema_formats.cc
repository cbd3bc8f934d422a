// Formats of strings as regular expressions. They hold to the lengths and calendars that the formats' standards ask
// for, so what matches is valid; what they leave out (leap seconds, unusual names) is said beside them.

#include <map>

#include "grammar/schema_facts.h"

namespace fathom::grammar {
namespace {

// Gregorian, with leap years.
const std::string kDate =
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";

// RFC 3339 without leap seconds; nine digits of a second's fraction.
const std::string kTime =
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";

// One label and `more` others at most, each of up to `inner` bytes between its first and its last.
std::string labels(const std::string& inner, const std::string& more) {
  const std::string label = "[A-Za-z0-9]([A-Za-z0-9-]{0," + inner + "}[A-Za-z0-9])?";
  return label + "(\\." + label + "){0," + more + "}";
}

// At most 253 bytes in labels of at most 63: three long labels, or up to eight of 30.
std::string host() { return "(" + labels("61", "2") + "|" + labels("28", "7") + ")"; }

// The local part unquoted, in one or two words, 64 bytes at most.
std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
  return "(" + atom + "{1,64}|" + atom + "{1,31}\\." + atom + "{1,31})@" + host();
}

std::string ipv4() {
  const std::string byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  return "(" + byte + "\\.){3}" + byte;
}

// Without the form that ends in an IPv4 address.
std::string ipv6() {
  const std::string h = "[0-9A-Fa-f]{1,4}";
  std::string out = "(" + h + ":){7}" + h + "|(" + h + ":){1,7}:|:((:" + h + "){1,7}|:)";
  for (int before = 1; before <= 6; ++before) {
    out += "|(" + h + ":){1," + std::to_string(before) + "}(:" + h + "){1," + std::to_string(7 - before) + "}";
  }
  return out;
}

std::string uuid() {
  const std::string two = "[0-9A-Fa-f]{4}";
  return two + two + "-" + two + "-" + two + "-" + two + "-" + two + two + two;
}

}  // namespace

const std::string* format_expression(std::string_view format) {
  static const std::map<std::string_view, std::string> kFormats = {
      {"date", kDate},  {"time", kTime},    {"date-time", kDate + "[Tt]" + kTime},
      {"uuid", uuid()}, {"email", email()}, {"hostname", host()},
      {"ipv4", ipv4()}, {"ipv6", ipv6()},
  };
  const auto found = kFormats.find(format);
  return found == kFormats.end() ? nullptr : &found->second;
}

}  // namespace fathom::grammar
