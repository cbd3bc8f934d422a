#include "grammar/mask_cache.h"

#include <algorithm>
#include <mutex>

#include "grammar/state_classes.h"
#include "grammar/token_walk.h"

namespace fathom::grammar {
namespace {

// Up to this share of the vocabulary a list of ids is smaller than bits (32 bits an id) and faster to set.
constexpr size_t kSparseShare = 64;

void set_bits(const MaskEntry& entry, std::span<uint64_t> mask) {
  for (size_t i = 0; i < entry.dense.size(); ++i) mask[i] |= entry.dense[i];
  for (const TokenId id : entry.sparse) mask[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
}

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

MaskCache::MaskCache(const Automaton& automaton, const TokenVocabulary& vocabulary, size_t max_bytes)
    : automaton_(automaton),
      vocabulary_(vocabulary),
      short_class_(state_classes(automaton, TokenVocabulary::kShortBytes)),
      max_bytes_(max_bytes) {}

void MaskCache::add(Place place, const FramePool& frames, std::span<uint64_t> mask) const {
  add_tokens(place, frames, mask, false);
  if (!vocabulary_.long_trie().empty()) add_tokens(place, frames, mask, true);
}

void MaskCache::add_tokens(Place place, const FramePool& frames, std::span<uint64_t> mask, bool is_long) const {
  const auto key_state = [&](StateId state) { return is_long ? state : short_class_[state]; };
  Entry entry = find({is_long ? kLong : kShort, key_state(place.state)}, nullptr, is_long);
  set_bits(*entry, mask);
  for (FrameId frame = place.frame; frame != kBottom && !entry->leaves.empty(); frame = frames.below(frame)) {
    const Entry above = entry;
    entry = find({above->id, key_state(frames.state(frame))}, above.get(), is_long);
    set_bits(*entry, mask);
  }
}

MaskCache::Entry MaskCache::find(const Key& key, const MaskEntry* above, bool is_long) const {
  {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) return found->second;
  }
  // Two threads may make the same entry; the first one stays.
  Entry made = make(key.state, above, is_long);
  const std::unique_lock lock(mutex_);
  if (bytes_ + made->bytes() > max_bytes_) {
    entries_.clear();
    bytes_ = 0;
  }
  const auto [found, is_new] = entries_.try_emplace(key, std::move(made));
  if (is_new) bytes_ += found->second->bytes();
  return found->second;
}

MaskCache::Entry MaskCache::make(StateId state, const MaskEntry* above, bool is_long) const {
  TokenWalk walk(automaton_, vocabulary_, is_long ? vocabulary_.long_trie() : vocabulary_.short_trie());
  if (above == nullptr) {
    walk.walk_from(state);
  } else {
    walk.carry_on(state, above->leaves);
  }
  TokenWalkResult result = walk.take();
  auto entry = std::make_shared<MaskEntry>();
  entry->id = ++last_id_;
  sort_unique(result.leaves);
  entry->leaves.assign(result.leaves.begin(), result.leaves.end());
  if (result.tokens.size() <= vocabulary_.size() / kSparseShare) {
    sort_unique(result.tokens);
    entry->sparse.assign(result.tokens.begin(), result.tokens.end());
  } else {
    entry->dense.resize(vocabulary_.mask_words());
    for (const TokenId id : result.tokens) entry->dense[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
  }
  return entry;
}

}  // namespace fathom::grammar
