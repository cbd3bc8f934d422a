#include "grammar/automaton.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "grammar/dfa.h"

namespace fathom::grammar {

// Compiles the rules that the root reaches, drops what has no text, refuses left recursion, and lays all out in rows.
class AutomatonBuilder {
 public:
  explicit AutomatonBuilder(const Grammar& grammar) : grammar_(grammar), dfas_(grammar.rules().size()) {}

  Automaton build() {
    make_dfas();
    find_productive();
    if (!is_productive_[grammar_.root()]) fail(ErrorCode::kInvalidArgument, "grammar", "no text matches it");
    trim();
    find_nullable();
    refuse_left_recursion();
    return lay_out();
  }

 private:
  void make_dfas() {
    DfaBudget budget{Automaton::kMaxStates, Automaton::kMaxWork};
    order_ = {grammar_.root()};
    std::vector<bool> is_seen(dfas_.size(), false);
    is_seen[grammar_.root()] = true;
    for (size_t at = 0; at < order_.size(); ++at) {
      const Rule& rule = grammar_.rules()[order_[at]];
      if (!rule.is_defined) {
        fail(ErrorCode::kInvalidArgument, "grammar", "rule '{}' is used but not defined", rule.name);
      }
      dfas_[order_[at]] = make_dfa(make_nfa(grammar_, rule, 2 * Automaton::kMaxStates), rule.name, budget);
      for (const DfaState& state : dfas_[order_[at]].states) {
        for (const CallEdge& call : state.calls) {
          if (is_seen[call.rule]) continue;
          is_seen[call.rule] = true;
          order_.push_back(call.rule);
        }
      }
    }
  }

  // States of a rule from which its end is reached by bytes and calls of rules that `may_call` holds for.
  std::vector<bool> reaches_end(const Dfa& dfa, const std::vector<bool>& may_call, bool may_read_bytes) const {
    std::vector<std::vector<uint32_t>> sources(dfa.states.size());
    std::vector<bool> reaches(dfa.states.size(), false);
    std::vector<uint32_t> pending;
    for (uint32_t from = 0; from < dfa.states.size(); ++from) {
      const DfaState& state = dfa.states[from];
      if (may_read_bytes) {
        for (const ByteEdge& edge : state.bytes) sources[edge.target].push_back(from);
      }
      for (const CallEdge& call : state.calls) {
        if (may_call[call.rule]) sources[call.target].push_back(from);
      }
      if (state.is_final) {
        reaches[from] = true;
        pending.push_back(from);
      }
    }
    while (!pending.empty()) {
      const uint32_t at = pending.back();
      pending.pop_back();
      for (const uint32_t source : sources[at]) {
        if (reaches[source]) continue;
        reaches[source] = true;
        pending.push_back(source);
      }
    }
    return reaches;
  }

  // The least set of rules that hold when each needs an end reached through rules that hold. A rule is looked at again
  // only when one that it calls was found to hold.
  std::vector<bool> fixpoint(bool may_read_bytes) const {
    std::vector<std::vector<RuleId>> callers(dfas_.size());
    for (const RuleId rule : order_) {
      for (const DfaState& state : dfas_[rule].states) {
        for (const CallEdge& call : state.calls) callers[call.rule].push_back(rule);
      }
    }
    for (auto& list : callers) {
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
    std::vector<bool> holds(dfas_.size(), false);
    std::vector<bool> is_pending(dfas_.size(), false);
    std::deque<RuleId> pending(order_.rbegin(), order_.rend());
    for (const RuleId rule : pending) is_pending[rule] = true;
    size_t work = 0;
    while (!pending.empty()) {
      const RuleId rule = pending.front();
      pending.pop_front();
      is_pending[rule] = false;
      if (holds[rule] || dfas_[rule].states.empty()) continue;  // no states: a rule without texts, dropped
      work += dfas_[rule].states.size();
      if (work > Automaton::kMaxWork) fail(ErrorCode::kUnsupported, "grammar", "it takes too many steps to compile");
      if (!reaches_end(dfas_[rule], holds, may_read_bytes)[0]) continue;
      holds[rule] = true;
      for (const RuleId caller : callers[rule]) {
        if (holds[caller] || is_pending[caller]) continue;
        is_pending[caller] = true;
        pending.push_back(caller);
      }
    }
    return holds;
  }

  void find_productive() { is_productive_ = fixpoint(true); }
  void find_nullable() { is_nullable_ = fixpoint(false); }

  // Takes away moves from which no end is reached.
  void trim() {
    for (const RuleId rule : order_) {
      Dfa& dfa = dfas_[rule];
      if (!is_productive_[rule]) {
        dfa.states.clear();
        continue;
      }
      const std::vector<bool> is_alive = reaches_end(dfa, is_productive_, true);
      for (DfaState& state : dfa.states) {
        std::erase_if(state.bytes, [&](const ByteEdge& edge) { return !is_alive[edge.target]; });
        std::erase_if(state.calls,
                      [&](const CallEdge& call) { return !is_productive_[call.rule] || !is_alive[call.target]; });
      }
    }
  }

  // Rules that a rule may call before it has read a byte.
  std::vector<RuleId> first_calls(RuleId rule) const {
    const Dfa& dfa = dfas_[rule];
    std::vector<RuleId> out;
    std::vector<bool> is_seen(dfa.states.size(), false);
    std::vector<uint32_t> pending;
    if (!dfa.states.empty()) pending.push_back(0);
    while (!pending.empty()) {
      const uint32_t at = pending.back();
      pending.pop_back();
      if (is_seen[at]) continue;
      is_seen[at] = true;
      for (const CallEdge& call : dfa.states[at].calls) {
        out.push_back(call.rule);
        if (is_nullable_[call.rule]) pending.push_back(call.target);
      }
    }
    return out;
  }

  // Without such cycles every byte is reached after a bounded number of calls.
  void refuse_left_recursion() const {
    std::vector<uint32_t> open(dfas_.size(), 0);
    std::vector<std::vector<RuleId>> callers(dfas_.size());
    std::vector<RuleId> settled;
    for (const RuleId rule : order_) {
      for (const RuleId callee : first_calls(rule)) {
        ++open[rule];
        callers[callee].push_back(rule);
      }
    }
    for (const RuleId rule : order_) {
      if (open[rule] == 0) settled.push_back(rule);
    }
    for (size_t at = 0; at < settled.size(); ++at) {
      for (const RuleId caller : callers[settled[at]]) {
        if (--open[caller] == 0) settled.push_back(caller);
      }
    }
    if (settled.size() == order_.size()) return;
    const auto stuck = std::find_if(order_.begin(), order_.end(), [&](RuleId rule) { return open[rule] != 0; });
    fail(ErrorCode::kInvalidArgument, "grammar",
         "rule '{}' is left-recursive or leads to a rule that is: it calls itself before it has read anything",
         grammar_.rules()[*stuck].name);
  }

  Automaton lay_out() const {
    Automaton out;
    std::vector<StateId> first(dfas_.size(), 0);
    size_t count = 0;
    for (const RuleId rule : order_) {
      first[rule] = static_cast<StateId>(count);
      count += dfas_[rule].states.size();
    }
    out.states_.reserve(count);
    for (const RuleId rule : order_) {
      const Dfa& dfa = dfas_[rule];
      for (const DfaState& from : dfa.states) {
        Automaton::State state;
        state.is_final = from.is_final;
        state.edge_begin = static_cast<uint32_t>(out.edges_.size());
        state.edge_count = static_cast<uint32_t>(from.bytes.size());
        state.call_begin = static_cast<uint32_t>(out.calls_.size());
        state.call_count = static_cast<uint32_t>(from.calls.size());
        for (const ByteEdge& edge : from.bytes) {
          out.edges_.push_back({edge.low, edge.high, first[rule] + edge.target});
        }
        for (const CallEdge& call : from.calls) {
          const DfaState& target = dfa.states[call.target];
          const bool is_tail = target.is_final && target.bytes.empty() && target.calls.empty();
          out.calls_.push_back({first[call.rule], first[rule] + call.target, is_nullable_[call.rule], is_tail});
        }
        out.states_.push_back(state);
      }
    }
    out.start_ = first[grammar_.root()];
    return out;
  }

  const Grammar& grammar_;
  std::vector<Dfa> dfas_;  // by rule
  std::vector<RuleId> order_;
  std::vector<bool> is_productive_;
  std::vector<bool> is_nullable_;
};

Automaton Automaton::compile(const Grammar& grammar) {
  if (grammar.rules().empty()) fail(ErrorCode::kInvalidArgument, "grammar", "it has no rules");
  return AutomatonBuilder(grammar).build();
}

}  // namespace fathom::grammar
