#include "base/json.h"

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace fathom::json {
namespace {

std::string describe(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case boost::json::kind::string: {
      const auto& text = value.get_string();
      return text.size() > 40 ? fmt::format("a string of {} bytes", text.size()) : quote(text);
    }
    case boost::json::kind::array:
      return fmt::format("an array of {}", value.get_array().size());
    case boost::json::kind::object:
      return "an object";
    default:
      return dump(value);
  }
}

// Python's repr: shortest digits that read back the same; exponent form below 1e-4 and from 1e16 on; ".0" on whole
// ones.
std::string format_double(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  char buffer[40];
  const double magnitude = std::fabs(number);
  const bool scientific = number != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), number, format).ptr;
  std::string text(buffer, end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

void write(const Value& value, Style style, std::string& out);

void write_array(const Array& array, Style style, std::string& out) {
  out += '[';
  bool first = true;
  for (const auto& item : array) {
    if (!first) out += style == Style::kPython ? ", " : ",";
    first = false;
    write(item, style, out);
  }
  out += ']';
}

void write_object(const Object& object, Style style, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : object) {
    if (!first) out += style == Style::kPython ? ", " : ",";
    first = false;
    out += quote(key);
    out += style == Style::kPython ? ": " : ":";
    write(item, style, out);
  }
  out += '}';
}

void write(const Value& value, Style style, std::string& out) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out += "null";
      return;
    case boost::json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return;
    case boost::json::kind::int64:
      out += std::to_string(value.get_int64());
      return;
    case boost::json::kind::uint64:
      out += std::to_string(value.get_uint64());
      return;
    case boost::json::kind::double_:
      out += format_double(value.get_double());
      return;
    case boost::json::kind::string:
      out += quote(value.get_string());
      return;
    case boost::json::kind::array:
      write_array(value.get_array(), style, out);
      return;
    case boost::json::kind::object:
      write_object(value.get_object(), style, out);
      return;
  }
}

}  // namespace

std::string dump(const Value& value, Style style) {
  std::string out;
  write(value, style, out);
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string Reader::location() const { return path_.empty() ? source_ : source_ + ": " + path_; }

void Reader::fail_expected(std::string_view expected) const {
  fail(ErrorCode::kInvalidData, location(), "found {}, expected {}", describe(*value_), expected);
}

Reader Reader::get(std::string_view key) const {
  if (!value_->is_object()) fail_expected(fmt::format("an object with '{}'", key));
  const auto* member = value_->get_object().if_contains(key);
  if (member == nullptr) fail(ErrorCode::kInvalidData, location(), "lacks '{}'", key);
  return Reader(*member, source_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

std::optional<Reader> Reader::find(std::string_view key) const {
  if (!value_->is_object()) fail_expected("an object");
  const auto* member = value_->get_object().if_contains(key);
  if (member == nullptr || member->is_null()) return std::nullopt;
  return get(key);
}

int64_t Reader::as_int(int64_t min, int64_t max) const {
  std::optional<int64_t> number;
  if (value_->is_int64()) number = value_->get_int64();
  if (value_->is_uint64() && value_->get_uint64() <= INT64_MAX) number = static_cast<int64_t>(value_->get_uint64());
  // Some writers store whole numbers as 10000.0.
  if (value_->is_double() && std::fabs(value_->get_double()) < 0x1p53 &&
      std::floor(value_->get_double()) == value_->get_double()) {
    number = static_cast<int64_t>(value_->get_double());
  }
  if (!number) fail_expected("a whole number");
  if (*number < min || *number > max) fail_expected(fmt::format("a whole number in [{}, {}]", min, max));
  return *number;
}

double Reader::as_double() const {
  if (value_->is_double()) return value_->get_double();
  if (value_->is_int64()) return static_cast<double>(value_->get_int64());
  if (value_->is_uint64()) return static_cast<double>(value_->get_uint64());
  fail_expected("a number");
}

bool Reader::as_bool() const {
  if (!value_->is_bool()) fail_expected("true or false");
  return value_->get_bool();
}

const boost::json::string& Reader::as_string() const {
  if (!value_->is_string()) fail_expected("a string");
  return value_->get_string();
}

std::vector<Reader> Reader::items() const {
  if (!value_->is_array()) fail_expected("an array");
  std::vector<Reader> out;
  const auto& array = value_->get_array();
  out.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) out.push_back(Reader(array[i], source_, fmt::format("{}[{}]", path_, i)));
  return out;
}

std::vector<std::pair<std::string, Reader>> Reader::members() const {
  if (!value_->is_object()) fail_expected("an object");
  std::vector<std::pair<std::string, Reader>> out;
  for (const auto& [key, item] : value_->get_object()) {
    const std::string name(key);
    out.emplace_back(name, Reader(item, source_, path_.empty() ? name : path_ + "." + name));
  }
  return out;
}

}  // namespace fathom::json
