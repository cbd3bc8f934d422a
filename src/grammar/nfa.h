#pragma once
// The body of one rule as a nondeterministic automaton: the step between a grammar's nodes and a deterministic one.

#include <vector>

#include "grammar/grammar.h"

namespace fathom::grammar {

struct ByteEdge {
  uint8_t low;
  uint8_t high;
  uint32_t target;
};

struct CallEdge {
  RuleId rule;
  uint32_t target;
};

struct NfaState {
  std::vector<ByteEdge> bytes;
  std::vector<CallEdge> calls;
  std::vector<uint32_t> empty;  // moves that read nothing
};

struct Nfa {
  std::vector<NfaState> states;
  uint32_t start = 0;
  uint32_t end = 0;
};

// Throws Error(kUnsupported) when the rule needs more than `max_states` or its nodes nest too deeply.
Nfa make_nfa(const Grammar& grammar, const Rule& rule, size_t max_states);

}  // namespace fathom::grammar
