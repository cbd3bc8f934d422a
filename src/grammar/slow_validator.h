#pragma once
// JSON Schema read word by word, for tests: slow, plain, and written without looking at the compiler.

#include <cmath>
#include <regex>
#include <string>

#include "base/json.h"

namespace fathom::grammar {

class SlowValidator {
 public:
  explicit SlowValidator(const json::Value& root) : root_(root) {}

  bool holds(const json::Value& value) const { return holds(root_, value); }

  bool holds(const json::Value& schema, const json::Value& value) const {
    if (schema.is_bool()) return schema.get_bool();
    const json::Object& s = schema.get_object();
    return holds_type(s, value) && holds_values(s, value) && holds_number(s, value) && holds_string(s, value) &&
           holds_array(s, value) && holds_object(s, value) && holds_combined(s, value);
  }

 private:
  static bool is_whole(const json::Value& value) {
    return value.is_int64() || value.is_uint64() ||
           (value.is_double() && value.get_double() == std::floor(value.get_double()));
  }

  static bool is_type(std::string_view name, const json::Value& value) {
    if (name == "null") return value.is_null();
    if (name == "boolean") return value.is_bool();
    if (name == "object") return value.is_object();
    if (name == "array") return value.is_array();
    if (name == "string") return value.is_string();
    if (name == "integer") return is_whole(value);
    return name == "number" && value.is_number();
  }

  static bool holds_type(const json::Object& s, const json::Value& value) {
    const auto* type = s.if_contains("type");
    if (type == nullptr) return true;
    if (type->is_string()) return is_type(type->get_string(), value);
    for (const auto& name : type->get_array()) {
      if (is_type(name.get_string(), value)) return true;
    }
    return false;
  }

  static bool holds_values(const json::Object& s, const json::Value& value) {
    if (const auto* constant = s.if_contains("const"); constant != nullptr && *constant != value) return false;
    const auto* list = s.if_contains("enum");
    if (list == nullptr) return true;
    for (const auto& each : list->get_array()) {
      if (each == value) return true;
    }
    return false;
  }

  static bool holds_number(const json::Object& s, const json::Value& value) {
    if (!value.is_number()) return true;
    const double number = value.to_number<double>();
    const auto limit = [&](const char* key, auto is_fine) {
      const auto* found = s.if_contains(key);
      return found == nullptr || is_fine(found->to_number<double>());
    };
    return limit("minimum", [&](double x) { return number >= x; }) &&
           limit("maximum", [&](double x) { return number <= x; }) &&
           limit("exclusiveMinimum", [&](double x) { return number > x; }) &&
           limit("exclusiveMaximum", [&](double x) { return number < x; });
  }

  static bool has_size(const json::Object& s, const char* least, const char* most, size_t size) {
    const auto* min = s.if_contains(least);
    const auto* max = s.if_contains(most);
    return (min == nullptr || size >= min->to_number<size_t>()) && (max == nullptr || size <= max->to_number<size_t>());
  }

  static bool holds_string(const json::Object& s, const json::Value& value) {
    if (!value.is_string()) return true;
    const std::string text(value.get_string());
    size_t length = 0;
    for (const char c : text) length += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
    if (!has_size(s, "minLength", "maxLength", length)) return false;
    const auto* pattern = s.if_contains("pattern");
    return pattern == nullptr || std::regex_search(text, std::regex(std::string(pattern->get_string())));
  }

  bool holds_array(const json::Object& s, const json::Value& value) const {
    if (!value.is_array()) return true;
    const json::Array& array = value.get_array();
    if (!has_size(s, "minItems", "maxItems", array.size())) return false;
    const auto* prefix = s.if_contains("prefixItems");
    const auto* items = s.if_contains("items");
    const size_t own = prefix == nullptr ? 0 : prefix->get_array().size();
    for (size_t i = 0; i < array.size(); ++i) {
      if (i < own && !holds(prefix->get_array()[i], array[i])) return false;
      if (i >= own && items != nullptr && !holds(*items, array[i])) return false;
    }
    return true;
  }

  bool holds_object(const json::Object& s, const json::Value& value) const {
    if (!value.is_object()) return true;
    const json::Object& object = value.get_object();
    if (const auto* required = s.if_contains("required")) {
      for (const auto& name : required->get_array()) {
        if (!object.contains(name.get_string())) return false;
      }
    }
    const auto* properties = s.if_contains("properties");
    const auto* extra = s.if_contains("additionalProperties");
    for (const auto& member : object) {
      const auto* own = properties == nullptr ? nullptr : properties->get_object().if_contains(member.key());
      if (own != nullptr && !holds(*own, member.value())) return false;
      if (own == nullptr && extra != nullptr && !holds(*extra, member.value())) return false;
    }
    return true;
  }

  bool holds_combined(const json::Object& s, const json::Value& value) const {
    const auto count = [&](const char* key, size_t& size) {
      size_t held = 0;
      const auto* list = s.if_contains(key);
      size = list == nullptr ? 0 : list->get_array().size();
      for (size_t i = 0; i < size; ++i) held += holds(list->get_array()[i], value) ? 1 : 0;
      return held;
    };
    size_t size = 0;
    if (count("allOf", size) != size) return false;
    if (count("anyOf", size) == 0 && size > 0) return false;
    if (count("oneOf", size) != 1 && size > 0) return false;
    const auto* reference = s.if_contains("$ref");
    if (reference == nullptr) return true;
    const std::string path(reference->get_string());
    return holds(path == "#" ? root_ : root_.at_pointer(path.substr(1)), value);
  }

  const json::Value& root_;
};

}  // namespace fathom::grammar
