// Whether a value is one that schemas admit, and whether two of them have none in common.

#include <algorithm>

#include "base/json.h"
#include "grammar/automaton.h"
#include "grammar/configuration.h"
#include "grammar/regex.h"
#include "grammar/schema_facts.h"
#include "tokenizer/utf8.h"

namespace fathom::grammar {
namespace {

using boost::json::value;

bool matches(const TextRule& rule, std::string_view text) {
  Grammar grammar;
  const NodeId node = regex_node(grammar, rule.expression, {.is_search = rule.is_search});
  grammar.set_root(grammar.add_rule("pattern", node));
  const Automaton automaton = Automaton::compile(grammar);
  FramePool frames;
  Stepper stepper(automaton, frames);
  stepper.begin();
  stepper.enter({automaton.start(), kBottom});
  for (const char c : text) {
    const std::vector<Place> from = stepper.places();
    stepper.begin();
    stepper.step(from, static_cast<uint8_t>(c));
  }
  return stepper.has_ended();
}

bool is_within(const SizeLimits& limits, size_t size) { return limits.min <= size && size <= limits.max; }

bool admits_string(const SchemaFacts& facts, std::string_view text) {
  size_t length = 0;
  for (size_t at = 0; at < text.size(); ++length) at += static_cast<size_t>(tokenizer::decode_utf8(text, at).length);
  return is_within(facts.length, length) && std::all_of(facts.text_rules.begin(), facts.text_rules.end(),
                                                        [&](const TextRule& rule) { return matches(rule, text); });
}

bool admits_number(const SchemaFacts& facts, const value& number) {
  const Decimal decimal = decimal_of(number, "schema");
  const int above = facts.low ? compare(decimal, facts.low->at) : 1;
  const int below = facts.high ? compare(facts.high->at, decimal) : 1;
  return (above > 0 || (above == 0 && !facts.low->is_exclusive)) &&
         (below > 0 || (below == 0 && !facts.high->is_exclusive));
}

bool admits_object(const SchemaDocument& document, const SchemaFacts& facts, const boost::json::object& object) {
  for (const std::string& name : facts.required) {
    if (!object.contains(name)) return false;
  }
  return std::all_of(object.begin(), object.end(), [&](const auto& member) {
    return admits(document, property_schema(document, facts, std::string(member.key())), member.value());
  });
}

bool admits_array(const SchemaDocument& document, const SchemaFacts& facts, const boost::json::array& array) {
  if (!is_within(facts.items, array.size())) return false;
  for (size_t i = 0; i < array.size(); ++i) {
    if (!admits(document, item_schema(document, facts, i), array[i])) return false;
  }
  return true;
}

// Types and constants that the parts themselves name; alternatives further down only make fewer values.
bool share_no_value(const SchemaDocument& document, const SchemaFacts& a, const SchemaFacts& b, int depth) {
  if ((a.types & b.types) == 0) return true;
  if (a.values && b.values) {
    return std::none_of(a.values->begin(), a.values->end(), [&](const value* x) {
      return std::any_of(b.values->begin(), b.values->end(), [&](const value* y) {
        // 1 and 1.0 are one number, which comparing would not see.
        return *x == *y || (x->is_number() && y->is_number() && x->to_number<double>() == y->to_number<double>());
      });
    });
  }
  if (a.values || b.values) {
    const SchemaFacts& constants = a.values ? a : b;
    const SchemaFacts& other = a.values ? b : a;
    return std::none_of(constants.values->begin(), constants.values->end(),
                        [&](const value* each) { return admits(document, *other.conjunction, *each); });
  }
  if ((a.types & b.types) != kObject) return false;
  // Objects: a property that both want (or one wants, and the other has no room for) told apart.
  for (const std::string& name : a.required) {
    const bool is_required = std::find(b.required.begin(), b.required.end(), name) != b.required.end();
    const Conjunction of_b = property_schema(document, b, name);
    if (of_b.is_never) return true;
    if (is_required && are_disjoint(document, property_schema(document, a, name), of_b, depth + 1)) return true;
  }
  return std::any_of(b.required.begin(), b.required.end(),
                     [&](const std::string& name) { return property_schema(document, a, name).is_never; });
}

}  // namespace

bool admits(const SchemaDocument& document, const Conjunction& conjunction, const value& value) {
  if (conjunction.is_never) return false;
  SchemaPart split;
  const std::vector<Conjunction> branches = document.alternatives(conjunction, split);
  if (!branches.empty()) {
    // Branches of oneOf were found to be apart, so one at most admits it.
    return std::any_of(branches.begin(), branches.end(),
                       [&](const Conjunction& branch) { return admits(document, branch, value); });
  }
  const SchemaFacts facts = gather_facts(conjunction);
  const uint8_t type = type_of(value);
  if ((facts.types & type) == 0) return false;
  if (facts.values && std::none_of(facts.values->begin(), facts.values->end(),
                                   [&](const boost::json::value* each) { return *each == value; })) {
    return false;
  }
  if (type == kString) return admits_string(facts, value.get_string());
  if (type == kWhole || type == kFractional) return admits_number(facts, value);
  if (type == kObject) return admits_object(document, facts, value.get_object());
  if (type == kArray) return admits_array(document, facts, value.get_array());
  return true;
}

bool are_disjoint(const SchemaDocument& document, const Conjunction& a, const Conjunction& b, int depth) {
  constexpr int kMaxDepth = 8;  // properties of properties; deeper ones count as not told apart
  if (a.is_never || b.is_never) return true;
  if (depth > kMaxDepth) return false;
  for (const bool is_first : {true, false}) {
    SchemaPart split;
    const std::vector<Conjunction> branches = document.alternatives(is_first ? a : b, split);
    if (branches.empty()) continue;
    return std::all_of(branches.begin(), branches.end(), [&](const Conjunction& branch) {
      return are_disjoint(document, branch, is_first ? b : a, depth + 1);
    });
  }
  return share_no_value(document, gather_facts(a), gather_facts(b), depth);
}

}  // namespace fathom::grammar
