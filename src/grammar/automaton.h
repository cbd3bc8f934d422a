#pragma once
// A grammar as a pushdown automaton over bytes: one deterministic automaton per rule, whose moves read a byte or call a
// rule. From every state the end can be reached, so what has not failed yet can be completed.

#include <cstdint>
#include <span>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/nfa.h"

namespace fathom::grammar {

using StateId = uint32_t;

struct CallMove {
  StateId start;     // of the rule that is called
  StateId target;    // where its text is followed
  bool is_nullable;  // the rule has the empty text
  bool is_tail;      // nothing follows in this rule: the caller's frame serves, and right recursion needs no stack
};

class Automaton {
 public:
  static constexpr size_t kMaxStates = 200'000;
  // Steps of the subset construction: what a hostile expression may cost in time (about a second) and memory.
  static constexpr size_t kMaxWork = 10'000'000;

  // Throws Error(kUnsupported) past the limits; Error(kInvalidArgument) for a rule that calls itself before it reads
  // anything, a rule that is called and not defined, and a grammar without any text.
  static Automaton compile(const Grammar& grammar);

  StateId start() const { return start_; }
  size_t state_count() const { return states_.size(); }
  bool is_final(StateId state) const { return states_[state].is_final; }
  std::span<const ByteEdge> byte_edges(StateId state) const {
    const State& s = states_[state];
    return {edges_.data() + s.edge_begin, s.edge_count};
  }
  std::span<const CallMove> calls(StateId state) const {
    const State& s = states_[state];
    return {calls_.data() + s.call_begin, s.call_count};
  }

  static constexpr StateId kNoState = UINT32_MAX;
  // Where `byte` leads; kNoState: nowhere.
  StateId next(StateId state, uint8_t byte) const {
    for (const ByteEdge& edge : byte_edges(state)) {
      if (byte <= edge.high) return byte >= edge.low ? edge.target : kNoState;
    }
    return kNoState;
  }

  size_t bytes() const {
    return states_.size() * sizeof(State) + edges_.size() * sizeof(ByteEdge) + calls_.size() * sizeof(CallMove);
  }

 private:
  friend class AutomatonBuilder;

  struct State {
    uint32_t edge_begin = 0;
    uint32_t edge_count = 0;
    uint32_t call_begin = 0;
    uint32_t call_count = 0;
    bool is_final = false;
  };

  std::vector<State> states_;
  std::vector<ByteEdge> edges_;  // by state, then by byte
  std::vector<CallMove> calls_;
  StateId start_ = 0;
};

}  // namespace fathom::grammar
