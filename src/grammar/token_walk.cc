#include "grammar/token_walk.h"

#include <algorithm>

namespace fathom::grammar {

void TokenWalk::walk_from(StateId state) {
  const SetId start = intern({{state, kBottom}}, false);
  walk(0, static_cast<uint32_t>(trie_.size()), start);
}

void TokenWalk::carry_on(StateId state, std::span<const uint32_t> nodes) {
  stepper_.begin();
  stepper_.enter({state, kBottom});
  const std::vector<Place> places = stepper_.places();
  const bool has_ended = stepper_.has_ended();
  for (const uint32_t node : nodes) {
    if (has_ended) result_.leaves.push_back(node);
    // Interned anew, since sets may have been dropped.
    if (!places.empty()) walk(node + 1, trie_[node].next, intern(places, has_ended));
  }
}

// The nodes [begin, end) are a row of siblings with all below them.
void TokenWalk::walk(uint32_t begin, uint32_t end, SetId start) {
  if (begin >= end) return;
  const size_t base = trie_[begin].depth;
  path_.assign(1, start);
  for (uint32_t at = begin; at < end;) {
    const TokenVocabulary::TrieNode& node = trie_[at];
    path_.resize(node.depth - base + 1);
    const SetId next = step(path_.back(), node.byte);
    if (next == kDead) {
      at = node.next;
      continue;
    }
    if (node.token_count > 0) {
      const auto tokens = vocabulary_.tokens(node);
      result_.tokens.insert(result_.tokens.end(), tokens.begin(), tokens.end());
    }
    if (sets_[static_cast<size_t>(next)].has_ended && node.next > at + 1) result_.leaves.push_back(at);
    path_.push_back(next);
    ++at;
  }
}

TokenWalk::SetId TokenWalk::intern(std::vector<Place> places, bool has_ended) {
  if (places.empty() && !has_ended) return kDead;
  std::vector<uint64_t> key;
  key.reserve(places.size());
  for (const Place& place : places) key.push_back((uint64_t{place.frame} << 32) | place.state);
  std::sort(key.begin(), key.end());
  const auto [found, is_new] = ids_.try_emplace({std::move(key), has_ended}, static_cast<SetId>(sets_.size()));
  if (is_new) sets_.push_back({std::move(places), has_ended, std::vector<SetId>(256, kUnknown)});
  return found->second;
}

TokenWalk::SetId TokenWalk::step(SetId from, uint8_t byte) {
  const SetId known = sets_[static_cast<size_t>(from)].steps[byte];
  if (known != kUnknown) return known;
  stepper_.begin();
  stepper_.step(sets_[static_cast<size_t>(from)].places, byte);
  if (sets_.size() >= kMaxSets) {
    drop_sets();
    from = path_.back();
  }
  const SetId next = intern(stepper_.places(), stepper_.has_ended());
  sets_[static_cast<size_t>(from)].steps[byte] = next;
  return next;
}

// Forgets all sets but those of the path that is being walked.
void TokenWalk::drop_sets() {
  const std::vector<PlaceSet> old = std::move(sets_);
  sets_.clear();
  ids_.clear();
  for (SetId& id : path_) {
    const PlaceSet& set = old[static_cast<size_t>(id)];
    id = intern(set.places, set.has_ended);
  }
}

}  // namespace fathom::grammar
