#pragma once
// A JSON Schema as it was written: references, and which keywords Fathom holds to.

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/grammar.h"

namespace fathom::grammar {

// A schema somewhere in the document. `done` marks the keywords whose alternatives were already chosen.
struct SchemaPart {
  static constexpr uint8_t kAnyOf = 1;
  static constexpr uint8_t kOneOf = 2;

  const boost::json::value* schema = nullptr;
  std::string path = {};  // "#/properties/a", for errors
  uint8_t done = 0;

  const boost::json::object& object() const { return schema->get_object(); }
  // The value of a keyword; null when it is missing.
  const boost::json::value* find(std::string_view keyword) const { return object().if_contains(keyword); }
  SchemaPart child(const boost::json::value& value, std::string_view step) const;
};

// Schemas that hold all together. Flat: without references, allOf and true; no schema twice.
struct Conjunction {
  std::vector<SchemaPart> parts;
  bool is_never = false;  // false is among them
};

class SchemaDocument {
 public:
  explicit SchemaDocument(const boost::json::value& root) : root_(root) {}

  SchemaPart root() const { return {.schema = &root_, .path = "#"}; }

  // Adds a schema, what it refers to and its allOf. Throws Error(kInvalidData) for what is no schema, a reference that
  // leads nowhere or in a circle, Error(kUnsupported) for keywords that would have to be held to and are not.
  void add(Conjunction& conjunction, const SchemaPart& part) const { add(conjunction, part, 0); }

  // The alternatives of the first anyOf or oneOf that is not done: each with the rest of the conjunction. Nothing when
  // there is none. `split` becomes the part, with the keyword now done.
  std::vector<Conjunction> alternatives(const Conjunction& conjunction, SchemaPart& split) const;

 private:
  void add(Conjunction& conjunction, const SchemaPart& part, int depth) const;
  SchemaPart resolve(const SchemaPart& from, const boost::json::value& reference) const;

  const boost::json::value& root_;
};

// "#/a: 'keyword' ...": throws Error.
[[noreturn]] void fail_keyword(ErrorCode code, const std::string& path, std::string_view keyword,
                               std::string_view problem);

// The array of schemas under a keyword.
const boost::json::array& schema_list(const SchemaPart& part, std::string_view keyword);

}  // namespace fathom::grammar
