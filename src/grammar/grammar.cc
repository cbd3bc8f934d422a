#include "grammar/grammar.h"

#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace fathom::grammar {

NodeId Grammar::add(Node node) {
  if (nodes_.size() >= kMaxNodes) fail(ErrorCode::kUnsupported, "grammar", "it has more than {} parts", kMaxNodes);
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Grammar::literal(std::string_view text) {
  Node node{.kind = NodeKind::kLiteral};
  node.text = text;
  return add(std::move(node));
}

NodeId Grammar::bytes(std::vector<ByteRange> ranges) {
  Node node{.kind = NodeKind::kBytes};
  node.ranges = std::move(ranges);
  return add(std::move(node));
}

NodeId Grammar::sequence(std::vector<NodeId> children) {
  if (children.size() == 1) return children[0];
  Node node{.kind = NodeKind::kSequence};
  node.children = std::move(children);
  return add(std::move(node));
}

NodeId Grammar::choice(std::vector<NodeId> children) {
  if (children.size() == 1) return children[0];
  Node node{.kind = NodeKind::kChoice};
  node.children = std::move(children);
  return add(std::move(node));
}

NodeId Grammar::repeat(NodeId child, uint32_t min, uint32_t max) {
  FATHOM_CHECK(min <= max);
  Node node{.kind = NodeKind::kRepeat, .min = min, .max = max};
  node.children = {child};
  return add(std::move(node));
}

NodeId Grammar::call(RuleId rule) {
  FATHOM_CHECK(rule < rules_.size());
  return add({.kind = NodeKind::kCall, .min = rule});
}

NodeId Grammar::list(NodeId separator, const std::vector<ListItem>& items) {
  Node node{.kind = NodeKind::kList};
  node.children = {separator};
  for (const ListItem& item : items) {
    node.children.push_back(item.node);
    node.occurs.push_back(item.occurs);
  }
  return add(std::move(node));
}

RuleId Grammar::add_rule(std::string name) {
  if (rules_.size() >= kMaxRules) fail(ErrorCode::kUnsupported, "grammar", "it has more than {} rules", kMaxRules);
  rules_.push_back({.name = std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

RuleId Grammar::add_rule(std::string name, NodeId body) {
  const RuleId rule = add_rule(std::move(name));
  define(rule, body);
  return rule;
}

void Grammar::define(RuleId rule, NodeId body) {
  FATHOM_CHECK(!rules_[rule].is_defined);
  rules_[rule].body = body;
  rules_[rule].is_defined = true;
}

}  // namespace fathom::grammar
