#pragma once
// One rule's automaton made deterministic by the subset construction; a call counts as a symbol of its own.

#include <vector>

#include "grammar/nfa.h"

namespace fathom::grammar {

struct DfaState {
  std::vector<ByteEdge> bytes;  // sorted, apart
  std::vector<CallEdge> calls;  // one per rule
  bool is_final = false;
};

// State 0 is the start.
struct Dfa {
  std::vector<DfaState> states;
};

// What the construction may still use; counted down over all rules of a grammar.
struct DfaBudget {
  size_t states;
  size_t work;
};

// Throws Error(kUnsupported) naming the rule when the budget ends.
Dfa make_dfa(const Nfa& nfa, const std::string& rule_name, DfaBudget& budget);

}  // namespace fathom::grammar
