#include "grammar/json_rules.h"

namespace fathom::grammar {
namespace {

constexpr uint32_t kMaxDigits = 64;  // in a row; more than any number that is meant

}  // namespace

NodeId JsonRules::space() {
  if (options_.max_whitespace == 0) return grammar_.empty();
  if (!space_) {
    const NodeId byte = grammar_.bytes({{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}});
    space_ = grammar_.add_rule("white space", grammar_.repeat(byte, 0, options_.max_whitespace));
  }
  return grammar_.call(*space_);
}

NodeId JsonRules::any_of_all_types() {
  return grammar_.choice({object(), array(), string(), number(), word("true"), word("false"), word("null")});
}

NodeId JsonRules::value() {
  if (!value_) {
    value_ = grammar_.add_rule("value");
    grammar_.define(*value_, any_of_all_types());
  }
  return grammar_.call(*value_);
}

NodeId JsonRules::object() {
  if (!object_) {
    object_ = grammar_.add_rule("object");
    grammar_.define(*object_, object_of({{member(string(), value()), Occurs::kMany}}));
  }
  return grammar_.call(*object_);
}

NodeId JsonRules::array() {
  if (!array_) {
    array_ = grammar_.add_rule("array");
    grammar_.define(*array_, array_of({{value(), Occurs::kMany}}));
  }
  return grammar_.call(*array_);
}

NodeId JsonRules::character() {
  if (character_) return grammar_.call(*character_);
  const auto hex = [&](std::vector<ByteRange> ranges) { return grammar_.bytes(std::move(ranges)); };
  const NodeId any = hex({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const NodeId d = hex({{'D', 'D'}, {'d', 'd'}});
  const NodeId no_d = hex({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}});
  const NodeId below_8 = hex({{'0', '7'}});
  const NodeId high = hex({{'8', '9'}, {'A', 'B'}, {'a', 'b'}});
  const NodeId low = hex({{'C', 'F'}, {'c', 'f'}});
  const NodeId unit =
      grammar_.choice({grammar_.sequence({no_d, any, any, any}), grammar_.sequence({d, below_8, any, any}),
                       grammar_.sequence({d, high, any, any, grammar_.literal("\\u"), d, low, any, any})});
  const NodeId short_escape = grammar_.bytes(
      {{'"', '"'}, {'/', '/'}, {'\\', '\\'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  const NodeId escape = grammar_.sequence(
      {grammar_.literal("\\"), grammar_.choice({short_escape, grammar_.sequence({grammar_.literal("u"), unit})})});
  const CodePointSet raw = CodePointSet::all().without({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  character_ = grammar_.add_rule("character", grammar_.choice({utf8_node(grammar_, raw), escape}));
  return grammar_.call(*character_);
}

NodeId JsonRules::string() {
  if (!string_) {
    // The body is repeated within the rule: what a string may hold is then known from one state.
    character();
    const NodeId body = grammar_.repeat(grammar_.rules()[*character_].body, 0, kUnbounded);
    string_ = grammar_.add_rule("string", grammar_.sequence({grammar_.literal("\""), body, grammar_.literal("\"")}));
  }
  return grammar_.call(*string_);
}

NodeId JsonRules::digits(uint32_t min, uint32_t max) { return grammar_.repeat(grammar_.bytes({{'0', '9'}}), min, max); }

NodeId JsonRules::number() {
  if (number_) return grammar_.call(*number_);
  const NodeId e = grammar_.bytes({{'E', 'E'}, {'e', 'e'}});
  const NodeId plus = grammar_.optional(grammar_.literal("+"));
  const NodeId minus = grammar_.literal("-");
  const auto whole = [&](uint32_t max_digits) {
    const NodeId first = grammar_.bytes({{'1', '9'}});
    return grammar_.choice({grammar_.literal("0"), grammar_.sequence({first, digits(0, max_digits - 1)})});
  };
  const NodeId fraction = grammar_.optional(grammar_.sequence({grammar_.literal("."), digits(1, kMaxDigits)}));
  const NodeId small = grammar_.sequence({e, minus, digits(1, 3)});
  // What is below 1e9 * 1e299 or 10 * 1e307 is below the largest double, 1.797e308.
  const NodeId to_299 = grammar_.sequence({grammar_.optional(grammar_.bytes({{'0', '2'}})), digits(1, 2)});
  const NodeId to_307 = grammar_.sequence({grammar_.literal("30"), grammar_.bytes({{'0', '7'}})});
  const NodeId magnitude = grammar_.choice({
      grammar_.sequence({whole(kMaxDigits), fraction, grammar_.optional(small)}),
      grammar_.sequence({whole(9), fraction, e, plus, to_299}),
      grammar_.sequence({whole(1), fraction, e, plus, to_307}),
  });
  number_ = grammar_.add_rule("number", grammar_.sequence({grammar_.optional(minus), magnitude}));
  return grammar_.call(*number_);
}

NodeId JsonRules::member(NodeId key, NodeId value) {
  return grammar_.sequence({key, space(), grammar_.literal(":"), space(), value});
}

// White space stands behind the opening bracket, around separators and before the closing bracket; a run is never two
// runs of the rule in a row.
NodeId JsonRules::bracketed(char open, char close, const std::vector<ListItem>& items) {
  std::vector<ListItem> spaced;
  for (const ListItem& item : items) spaced.push_back({grammar_.sequence({item.node, space()}), item.occurs});
  const NodeId comma = grammar_.sequence({grammar_.literal(","), space()});
  return grammar_.sequence({grammar_.literal(std::string_view(&open, 1)), space(), grammar_.list(comma, spaced),
                            grammar_.literal(std::string_view(&close, 1))});
}

NodeId JsonRules::object_of(const std::vector<ListItem>& members) { return bracketed('{', '}', members); }
NodeId JsonRules::array_of(const std::vector<ListItem>& items) { return bracketed('[', ']', items); }

Grammar Grammar::any_json(const JsonOptions& options, bool only_objects) {
  Grammar grammar;
  JsonRules rules(grammar, options);
  const NodeId value = only_objects ? rules.object() : rules.value();
  grammar.set_root(grammar.add_rule("root", grammar.sequence({rules.space(), value, rules.space()})));
  return grammar;
}

}  // namespace fathom::grammar
