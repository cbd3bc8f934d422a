#include "grammar/schema_facts.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace fathom::grammar {
namespace {

using boost::json::value;

class Gatherer {
 public:
  explicit Gatherer(const Conjunction& conjunction) { facts_.conjunction = &conjunction; }

  SchemaFacts gather() {
    for (const SchemaPart& part : facts_.conjunction->parts) {
      add_types(part);
      add_values(part);
      add_bounds(part);
      add_multiple(part);
      add_limits(part, "minLength", "maxLength", facts_.length);
      add_limits(part, "minItems", "maxItems", facts_.items);
      add_text_rules(part);
      add_required(part);
      for (const char* keyword : {"properties", "required", "additionalProperties"}) {
        if (part.find(keyword) != nullptr) facts_.has_free_objects = false;
      }
      for (const char* keyword : {"items", "prefixItems", "minItems", "maxItems", "additionalItems"}) {
        if (part.find(keyword) != nullptr) facts_.has_free_arrays = false;
      }
    }
    return std::move(facts_);
  }

 private:
  static uint8_t bits_of(const SchemaPart& part, const value& name) {
    static const std::pair<std::string_view, uint8_t> kNames[] = {
        {"null", kNull},     {"boolean", kBoolean}, {"object", kObject},
        {"array", kArray},   {"string", kString},   {"number", kWhole | kFractional},
        {"integer", kWhole},
    };
    for (const auto& [known, bits] : kNames) {
      if (name.is_string() && name.get_string() == known) return bits;
    }
    fail_keyword(ErrorCode::kInvalidData, part.path, "type", "names no type of JSON: " + json::dump(name));
  }

  void add_types(const SchemaPart& part) {
    const value* type = part.find("type");
    if (type == nullptr) return;
    uint8_t bits = 0;
    if (type->is_array()) {
      for (const value& name : type->get_array()) bits |= bits_of(part, name);
    } else {
      bits = bits_of(part, *type);
    }
    // OpenAPI's way to say it.
    const value* nullable = part.find("nullable");
    if (nullable != nullptr && *nullable == value(true)) bits |= kNull;
    facts_.types &= bits;
  }

  void add_values(const SchemaPart& part) {
    std::vector<const value*> listed;
    if (const value* list = part.find("enum")) {
      if (!list->is_array()) fail_keyword(ErrorCode::kInvalidData, part.path, "enum", "must be a list");
      for (const value& each : list->get_array()) listed.push_back(&each);
      keep_values(listed);
    }
    if (const value* constant = part.find("const")) keep_values({constant});
  }

  void keep_values(const std::vector<const value*>& listed) {
    if (!facts_.values) {
      facts_.values = listed;
      return;
    }
    std::erase_if(*facts_.values, [&](const value* there) {
      return std::none_of(listed.begin(), listed.end(), [&](const value* each) { return *each == *there; });
    });
  }

  static bool is_true(const SchemaPart& part, const char* keyword) {
    const value* flag = part.find(keyword);
    return flag != nullptr && *flag == value(true);
  }

  // With draft 4 the exclusive keywords are flags beside the others.
  void add_bounds(const SchemaPart& part) {
    add_bound(part, "minimum", is_true(part, "exclusiveMinimum"), true);
    add_bound(part, "maximum", is_true(part, "exclusiveMaximum"), false);
    add_bound(part, "exclusiveMinimum", true, true);
    add_bound(part, "exclusiveMaximum", true, false);
  }

  void add_bound(const SchemaPart& part, const char* keyword, bool is_exclusive, bool is_low) {
    const value* limit = part.find(keyword);
    if (limit == nullptr || limit->is_bool()) return;
    const Bound bound{decimal_of(*limit, "schema: " + part.path + "/" + keyword), is_exclusive};
    std::optional<Bound>& kept = is_low ? facts_.low : facts_.high;
    const int order = kept ? compare(bound.at, kept->at) * (is_low ? 1 : -1) : 1;
    if (order > 0) kept = bound;
    if (order == 0) kept->is_exclusive |= is_exclusive;
  }

  void add_multiple(const SchemaPart& part) {
    const value* multiple = part.find("multipleOf");
    if (multiple == nullptr) return;
    if (*multiple != value(1) && *multiple != value(1.0)) {
      fail_keyword(ErrorCode::kUnsupported, part.path, "multipleOf", "is supported for 1 only");
    }
    facts_.types &= static_cast<uint8_t>(~kFractional);
  }

  static void add_limits(const SchemaPart& part, const char* least, const char* most, SizeLimits& limits) {
    limits.min = std::max(limits.min, size_of(part, least, 0));
    limits.max = std::min(limits.max, size_of(part, most, kUnbounded));
  }

  static uint32_t size_of(const SchemaPart& part, const char* keyword, uint32_t otherwise) {
    const value* size = part.find(keyword);
    if (size == nullptr) return otherwise;
    const double number = size->is_number() ? size->to_number<double>() : -1;
    if (number < 0 || number != std::floor(number)) {
      fail_keyword(ErrorCode::kInvalidData, part.path, keyword, "must be a whole number, 0 or more");
    }
    return number < kUnbounded ? static_cast<uint32_t>(number) : kUnbounded;
  }

  void add_text_rules(const SchemaPart& part) {
    if (const value* pattern = part.find("pattern")) {
      if (!pattern->is_string()) fail_keyword(ErrorCode::kInvalidData, part.path, "pattern", "must be a string");
      add_text_rule({std::string(pattern->get_string()), true, part.path, "pattern"});
    }
    const value* format = part.find("format");
    if (format == nullptr || (facts_.types & kString) == 0) return;
    if (!format->is_string()) fail_keyword(ErrorCode::kInvalidData, part.path, "format", "must be a string");
    const std::string* expression = format_expression(std::string_view(format->get_string()));
    if (expression == nullptr) {
      fail_keyword(ErrorCode::kUnsupported, part.path, "format", "is not supported: " + json::dump(*format));
    }
    add_text_rule({*expression, false, part.path, "format"});
  }

  void add_text_rule(TextRule rule) {
    for (const TextRule& there : facts_.text_rules) {
      if (there.expression == rule.expression && there.is_search == rule.is_search) return;
    }
    facts_.text_rules.push_back(std::move(rule));
  }

  void add_required(const SchemaPart& part) {
    const value* list = part.find("required");
    if (list == nullptr || list->is_bool()) return;  // draft 3 had a flag in the property
    if (!list->is_array()) fail_keyword(ErrorCode::kInvalidData, part.path, "required", "must be a list of names");
    for (const value& name : list->get_array()) {
      if (!name.is_string()) fail_keyword(ErrorCode::kInvalidData, part.path, "required", "must be a list of names");
      const std::string text(name.get_string());
      auto& names = facts_.required;
      if (std::find(names.begin(), names.end(), text) == names.end()) names.push_back(text);
    }
  }

  SchemaFacts facts_;
};

const boost::json::object* properties_of(const SchemaPart& part) {
  const value* properties = part.find("properties");
  if (properties == nullptr) return nullptr;
  if (!properties->is_object()) fail_keyword(ErrorCode::kInvalidData, part.path, "properties", "must be an object");
  return &properties->get_object();
}

}  // namespace

SchemaFacts gather_facts(const Conjunction& conjunction) { return Gatherer(conjunction).gather(); }

uint8_t type_of(const value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return kNull;
    case boost::json::kind::bool_:
      return kBoolean;
    case boost::json::kind::object:
      return kObject;
    case boost::json::kind::array:
      return kArray;
    case boost::json::kind::string:
      return kString;
    case boost::json::kind::double_:
      return value.get_double() == std::floor(value.get_double()) ? kWhole : kFractional;
    default:
      return kWhole;
  }
}

std::vector<std::string> property_names(const SchemaFacts& facts) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const SchemaPart& part : facts.conjunction->parts) {
    const auto* properties = properties_of(part);
    if (properties == nullptr) continue;
    for (const auto& member : *properties) add(std::string(member.key()));
  }
  for (const std::string& name : facts.required) add(name);
  return names;
}

Conjunction property_schema(const SchemaDocument& document, const SchemaFacts& facts, const std::string& name) {
  Conjunction out;
  for (const SchemaPart& part : facts.conjunction->parts) {
    const auto* properties = properties_of(part);
    const value* schema = properties == nullptr ? nullptr : properties->if_contains(name);
    if (schema != nullptr) {
      document.add(out, part.child(*schema, "properties/" + name));
    } else if (const value* extra = part.find("additionalProperties")) {
      document.add(out, part.child(*extra, "additionalProperties"));
    }
  }
  return out;
}

Conjunction extra_property_schema(const SchemaDocument& document, const SchemaFacts& facts) {
  Conjunction out;
  for (const SchemaPart& part : facts.conjunction->parts) {
    const value* extra = part.find("additionalProperties");
    if (extra != nullptr) document.add(out, part.child(*extra, "additionalProperties"));
  }
  return out;
}

size_t prefix_length(const SchemaFacts& facts) {
  size_t length = 0;
  for (const SchemaPart& part : facts.conjunction->parts) {
    // Before draft 2020 a list under "items" was what "prefixItems" is now.
    const value* prefix = part.find("prefixItems");
    const value* items = part.find("items");
    if (prefix != nullptr) length = std::max(length, schema_list(part, "prefixItems").size());
    if (items != nullptr && items->is_array()) length = std::max(length, items->get_array().size());
  }
  return length;
}

Conjunction item_schema(const SchemaDocument& document, const SchemaFacts& facts, size_t index) {
  Conjunction out;
  for (const SchemaPart& part : facts.conjunction->parts) {
    const value* items = part.find("items");
    const value* prefix = part.find("prefixItems");
    const value* rest = items;
    if (items != nullptr && items->is_array()) {
      prefix = items;
      rest = part.find("additionalItems");
    }
    const bool has_own = prefix != nullptr && prefix->is_array() && index < prefix->get_array().size();
    if (has_own) {
      document.add(out, part.child(prefix->get_array()[index], fmt::format("prefixItems/{}", index)));
    } else if (rest != nullptr) {
      document.add(out, part.child(*rest, "items"));
    }
  }
  return out;
}

}  // namespace fathom::grammar
