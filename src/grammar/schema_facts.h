#pragma once
// What a conjunction of schemas without alternatives says about each type, put together.

#include <optional>
#include <string>
#include <vector>

#include "grammar/number_range.h"
#include "grammar/schema_document.h"

namespace fathom::grammar {

// Bits of types. A number is whole or not: "number" is both, "integer" the first.
enum TypeBits : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kObject = 4,
  kArray = 8,
  kString = 16,
  kWhole = 32,
  kFractional = 64,
  kAllTypes = 127,
};

struct SizeLimits {
  uint32_t min = 0;
  uint32_t max = kUnbounded;
};

// A regular expression that a string must match, from "pattern" or "format".
struct TextRule {
  std::string expression;
  bool is_search;
  std::string path;
  std::string keyword;
};

struct SchemaFacts {
  uint8_t types = kAllTypes;
  std::optional<std::vector<const boost::json::value*>> values;  // "enum" and "const": one of these
  std::optional<Bound> low;
  std::optional<Bound> high;
  SizeLimits length;
  std::vector<TextRule> text_rules;
  SizeLimits items;
  std::vector<std::string> required;
  const Conjunction* conjunction = nullptr;

  // Whether nothing is asked of objects, of arrays.
  bool has_free_objects = true;
  bool has_free_arrays = true;
};

// Throws Error(kInvalidData) or Error(kUnsupported) naming path and keyword. `conjunction` must outlive the result.
SchemaFacts gather_facts(const Conjunction& conjunction);

// The type bit of a value; a double without fraction is whole.
uint8_t type_of(const boost::json::value& value);

// Names that any part lists under "properties", in order, then those that are required only.
std::vector<std::string> property_names(const SchemaFacts& facts);

// What holds for the property `name`, for properties not named, for the item `index`.
Conjunction property_schema(const SchemaDocument& document, const SchemaFacts& facts, const std::string& name);
Conjunction extra_property_schema(const SchemaDocument& document, const SchemaFacts& facts);
Conjunction item_schema(const SchemaDocument& document, const SchemaFacts& facts, size_t index);
// The number of items that have schemas of their own.
size_t prefix_length(const SchemaFacts& facts);

// Whether `value` is one that the schemas admit: for values of "enum" beside other keywords.
bool admits(const SchemaDocument& document, const Conjunction& conjunction, const boost::json::value& value);

// Whether surely no value is admitted by both: other types, other constants, or an object's property that is so.
bool are_disjoint(const SchemaDocument& document, const Conjunction& a, const Conjunction& b, int depth = 0);

// The regular expression of a known "format"; null for others.
const std::string* format_expression(std::string_view format);

}  // namespace fathom::grammar
