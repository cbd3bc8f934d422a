#pragma once
// The parts of JSON as rules, each made when it is first asked for.

#include <optional>

#include "grammar/code_points.h"
#include "grammar/grammar.h"

namespace fathom::grammar {

class JsonRules {
 public:
  JsonRules(Grammar& grammar, const JsonOptions& options) : grammar_(grammar), options_(options) {}

  // White space, perhaps none.
  NodeId space();
  // Any value, object or array.
  NodeId value();
  NodeId object();
  NodeId array();
  NodeId any_of_all_types();
  // Any string with its quotes: raw UTF-8, every escape, surrogates only in pairs.
  NodeId string();
  // One character of such a string, however it is spelt.
  NodeId character();
  // Any number that a double can hold without overflow; digits are bounded, so that a model cannot go on for ever.
  NodeId number();
  // "null", "true" or "false".
  NodeId word(std::string_view text) { return grammar_.literal(text); }

  // {members} and [items] with separators and white space; a member is "key" : value.
  NodeId object_of(const std::vector<ListItem>& members);
  NodeId array_of(const std::vector<ListItem>& items);
  NodeId member(NodeId key, NodeId value);
  // Digits, `max` of them at most.
  NodeId digits(uint32_t min, uint32_t max);

 private:
  NodeId bracketed(char open, char close, const std::vector<ListItem>& items);

  Grammar& grammar_;
  JsonOptions options_;
  std::optional<RuleId> space_;
  std::optional<RuleId> value_;
  std::optional<RuleId> object_;
  std::optional<RuleId> array_;
  std::optional<RuleId> string_;
  std::optional<RuleId> character_;
  std::optional<RuleId> number_;
};

}  // namespace fathom::grammar
