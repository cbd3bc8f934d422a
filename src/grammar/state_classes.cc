#include "grammar/state_classes.h"

#include <string>
#include <unordered_map>

namespace fathom::grammar {
namespace {

void append(std::string& key, uint32_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof(number)); }

// What a state does with the next byte, when its targets count as their classes.
void write_key(const Automaton& automaton, const std::vector<uint32_t>& classes, StateId state, std::string& key) {
  key.assign(1, automaton.is_final(state) ? 'f' : '-');
  const auto edges = automaton.byte_edges(state);
  for (size_t i = 0; i < edges.size(); ++i) {
    // Edges to one class that meet are one.
    const uint8_t low = edges[i].low;
    while (i + 1 < edges.size() && edges[i].high + 1 == edges[i + 1].low &&
           classes[edges[i].target] == classes[edges[i + 1].target]) {
      ++i;
    }
    key += static_cast<char>(low);
    key += static_cast<char>(edges[i].high);
    append(key, classes[edges[i].target]);
  }
  key += '|';  // the lengths of both parts follow from the whole, as all entries are of one size
  for (const CallMove& call : automaton.calls(state)) {
    append(key, call.start);
    // A rule that may be empty takes no byte, so what follows it is still at this distance: only the same state will
    // do.
    append(key, call.is_nullable ? ~call.target : classes[call.target]);
    key += call.is_tail ? 't' : '-';
  }
  append(key, static_cast<uint32_t>(automaton.calls(state).size()));
}

}  // namespace

std::vector<StateId> state_classes(const Automaton& automaton, size_t bytes) {
  const size_t count = automaton.state_count();
  std::vector<uint32_t> classes(count, 0);
  std::vector<StateId> first(1, 0);
  std::string key;
  for (size_t round = 0; round < bytes; ++round) {
    std::unordered_map<std::string, uint32_t> ids;
    std::vector<uint32_t> next(count);
    std::vector<StateId> next_first;
    for (StateId state = 0; state < count; ++state) {
      write_key(automaton, classes, state, key);
      const auto [found, is_new] = ids.try_emplace(key, static_cast<uint32_t>(next_first.size()));
      if (is_new) next_first.push_back(state);
      next[state] = found->second;
    }
    // Each round only splits classes; when none was split, no further round will.
    const bool is_settled = next_first.size() == first.size() && round > 0;
    classes = std::move(next);
    first = std::move(next_first);
    if (is_settled) break;
  }
  std::vector<StateId> out(count);
  for (StateId state = 0; state < count; ++state) out[state] = first[classes[state]];
  return out;
}

}  // namespace fathom::grammar
