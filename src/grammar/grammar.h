#pragma once
// What an output must look like: rules over bytes, made by one of the front ends and compiled by automaton.h.

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::grammar {

using NodeId = uint32_t;
using RuleId = uint32_t;

constexpr uint32_t kUnbounded = UINT32_MAX;

// Bytes low..high, both included.
struct ByteRange {
  uint8_t low;
  uint8_t high;
};

enum class NodeKind : uint8_t {
  kLiteral,   // `text`
  kBytes,     // one byte of `ranges`
  kSequence,  // all children in order; none: the empty text
  kChoice,    // one of the children; none: no text at all
  kRepeat,    // the child, `min` to `max` times
  kCall,      // a text of rule `min`
  kList,      // children 1.. in order, as `occurs` says, child 0 between any two that are there
};

// How often an item of a list is there. Items left out take no separator.
enum class Occurs : uint8_t { kOnce, kOptional, kMany };

struct Node {
  NodeKind kind;
  uint32_t min = 0;
  uint32_t max = 0;
  std::string text = {};
  std::vector<ByteRange> ranges = {};
  std::vector<NodeId> children = {};
  std::vector<Occurs> occurs = {};
};

struct ListItem {
  NodeId node;
  Occurs occurs;
};

struct Rule {
  std::string name;  // for errors
  NodeId body = 0;
  bool is_defined = false;
};

// How JSON may be spaced. A run of white space is bounded, so that a model cannot go on with it for ever.
struct JsonOptions {
  uint32_t max_whitespace = 64;  // bytes in a row wherever JSON allows white space; 0: compact text
};

// Nodes may be shared by several parents. Every function that adds throws Error(kUnsupported) past the limits below.
class Grammar {
 public:
  static constexpr size_t kMaxNodes = 400'000;
  static constexpr size_t kMaxRules = 20'000;

  // Any JSON text; with `only_objects` the outermost value is an object (the API's JSON mode).
  static Grammar any_json(const JsonOptions& options = {}, bool only_objects = false);

  // The JSON texts that a schema admits; README.md lists the keywords. Throws Error(kUnsupported) naming the path and
  // the keyword for what would not be held to exactly, Error(kInvalidData) for what is no schema.
  static Grammar from_json_schema(const boost::json::value& schema, const JsonOptions& options = {});

  // The texts that the regular expression matches as a whole, UTF-8. Throws Error(kInvalidArgument) with the offset for
  // a bad expression and Error(kUnsupported) for what no automaton can do.
  static Grammar from_regex(std::string_view pattern);

  // The texts of rule "root". Throws Error(kInvalidArgument) with the line.
  static Grammar from_ebnf(std::string_view text);

  NodeId literal(std::string_view text);
  NodeId bytes(std::vector<ByteRange> ranges);
  NodeId sequence(std::vector<NodeId> children);
  NodeId choice(std::vector<NodeId> children);
  NodeId repeat(NodeId child, uint32_t min, uint32_t max);
  NodeId call(RuleId rule);
  NodeId list(NodeId separator, const std::vector<ListItem>& items);
  NodeId empty() { return sequence({}); }
  NodeId never() { return choice({}); }
  NodeId optional(NodeId child) { return repeat(child, 0, 1); }

  // A rule may be called before it is defined.
  RuleId add_rule(std::string name);
  RuleId add_rule(std::string name, NodeId body);
  void define(RuleId rule, NodeId body);
  void set_root(RuleId rule) { root_ = rule; }

  const Node& node(NodeId id) const { return nodes_[id]; }
  const std::vector<Rule>& rules() const { return rules_; }
  RuleId root() const { return root_; }

 private:
  NodeId add(Node node);

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
  RuleId root_ = 0;
};

}  // namespace fathom::grammar
