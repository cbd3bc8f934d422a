#include "grammar/dfa.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"

namespace fathom::grammar {
namespace {

using Subset = std::vector<uint32_t>;  // sorted states of the NFA

class DfaBuilder {
 public:
  DfaBuilder(const Nfa& nfa, const std::string& rule_name, DfaBudget& budget)
      : nfa_(nfa), rule_name_(rule_name), budget_(budget), mark_(nfa.states.size(), 0) {}

  Dfa build() {
    state_of({nfa_.start});
    for (size_t at = 0; at < dfa_.states.size(); ++at) expand(at);
    return std::move(dfa_);
  }

 private:
  void spend(size_t work) {
    if (work > budget_.work) {
      fail(ErrorCode::kUnsupported, "grammar", "rule '{}' takes too many steps to compile", rule_name_);
    }
    budget_.work -= work;
  }

  // Adds what is reached without reading, and keeps only states that matter: those that read, call or end. Subsets that
  // differ in others would be the same state twice.
  Subset close(const Subset& from) {
    ++round_;
    Subset pending = from;
    Subset out;
    for (const uint32_t state : pending) mark_[state] = round_;
    while (!pending.empty()) {
      const uint32_t at = pending.back();
      pending.pop_back();
      const NfaState& state = nfa_.states[at];
      spend(1 + state.empty.size());
      if (!state.bytes.empty() || !state.calls.empty() || at == nfa_.end) out.push_back(at);
      for (const uint32_t next : state.empty) {
        if (mark_[next] == round_) continue;
        mark_[next] = round_;
        pending.push_back(next);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  uint32_t state_of(const Subset& from) {
    Subset subset = close(from);
    const auto [found, is_new] = ids_.try_emplace(std::move(subset), static_cast<uint32_t>(dfa_.states.size()));
    if (is_new) {
      if (budget_.states == 0) {
        fail(ErrorCode::kUnsupported, "grammar", "rule '{}' needs too many states", rule_name_);
      }
      --budget_.states;
      subsets_.push_back(&found->first);
      dfa_.states.emplace_back();
      dfa_.states.back().is_final = std::binary_search(found->first.begin(), found->first.end(), nfa_.end);
    }
    return found->second;
  }

  void expand(size_t at) {
    const Subset& subset = *subsets_[at];
    std::vector<ByteEdge> edges;
    std::map<RuleId, Subset> calls;
    for (const uint32_t id : subset) {
      const NfaState& state = nfa_.states[id];
      spend(state.bytes.size() + state.calls.size());
      edges.insert(edges.end(), state.bytes.begin(), state.bytes.end());
      for (const CallEdge& call : state.calls) calls[call.rule].push_back(call.target);
    }
    std::vector<ByteEdge> merged = merge(edges);
    std::vector<CallEdge> merged_calls;
    for (auto& [rule, targets] : calls) merged_calls.push_back({rule, state_of(unique(std::move(targets)))});
    dfa_.states[at].bytes = std::move(merged);
    dfa_.states[at].calls = std::move(merged_calls);
  }

  static Subset unique(Subset states) {
    std::sort(states.begin(), states.end());
    states.erase(std::unique(states.begin(), states.end()), states.end());
    return states;
  }

  // Cuts the byte range at every edge's ends; between two cuts all bytes lead to the same subset.
  std::vector<ByteEdge> merge(const std::vector<ByteEdge>& edges) {
    std::set<uint32_t> cuts;
    for (const ByteEdge& edge : edges) {
      cuts.insert(edge.low);
      cuts.insert(edge.high + 1U);
    }
    std::vector<ByteEdge> out;
    for (auto cut = cuts.begin(); cut != cuts.end() && std::next(cut) != cuts.end(); ++cut) {
      Subset targets;
      spend(edges.size());
      for (const ByteEdge& edge : edges) {
        if (edge.low <= *cut && *cut <= edge.high) targets.push_back(edge.target);
      }
      if (targets.empty()) continue;
      const uint32_t target = state_of(unique(std::move(targets)));
      const auto low = static_cast<uint8_t>(*cut);
      const auto high = static_cast<uint8_t>(*std::next(cut) - 1);
      if (!out.empty() && out.back().target == target && out.back().high + 1 == low) {
        out.back().high = high;
      } else {
        out.push_back({low, high, target});
      }
    }
    return out;
  }

  const Nfa& nfa_;
  const std::string& rule_name_;
  DfaBudget& budget_;
  std::vector<uint32_t> mark_;
  uint32_t round_ = 0;
  Dfa dfa_;
  std::map<Subset, uint32_t> ids_;
  std::vector<const Subset*> subsets_;
};

}  // namespace

Dfa make_dfa(const Nfa& nfa, const std::string& rule_name, DfaBudget& budget) {
  return DfaBuilder(nfa, rule_name, budget).build();
}

}  // namespace fathom::grammar
