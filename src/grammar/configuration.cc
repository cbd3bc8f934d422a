#include "grammar/configuration.h"

#include <algorithm>

#include "base/error.h"

namespace fathom::grammar {
namespace {

constexpr size_t kShortList = 24;  // searched as fast as hashed

uint64_t key_of(uint32_t state, FrameId frame) { return (uint64_t{frame} << 32) | state; }

}  // namespace

FrameId FramePool::push(StateId state, FrameId below) {
  const auto [found, is_new] = ids_.try_emplace(key_of(state, below), static_cast<FrameId>(frames_.size()));
  if (is_new) frames_.push_back({state, below});
  return found->second;
}

void Stepper::begin() {
  places_.clear();
  seen_.clear();
  seen_ids_.clear();
  has_ended_ = false;
}

bool Stepper::is_new(Place place) {
  if (seen_.size() < kShortList) {
    if (std::find(seen_.begin(), seen_.end(), place) != seen_.end()) return false;
  } else {
    if (seen_ids_.empty()) {
      for (const Place& each : seen_) seen_ids_.insert(key_of(each.state, each.frame));
    }
    if (!seen_ids_.insert(key_of(place.state, place.frame)).second) return false;
    if (seen_.size() >= kMaxPlaces) {
      fail(ErrorCode::kResource, "grammar", "it is too ambiguous: a text may stand in more than {} places", kMaxPlaces);
    }
  }
  seen_.push_back(place);
  return true;
}

void Stepper::enter(Place place) {
  pending_.assign(1, place);
  while (!pending_.empty()) {
    const Place at = pending_.back();
    pending_.pop_back();
    if (!is_new(at)) continue;
    if (!automaton_.byte_edges(at.state).empty()) places_.push_back(at);
    for (const CallMove& call : automaton_.calls(at.state)) {
      pending_.push_back({call.start, call.is_tail ? at.frame : frames_.push(call.target, at.frame)});
    }
    if (!automaton_.is_final(at.state)) continue;
    if (at.frame == kBottom) {
      has_ended_ = true;
    } else {
      pending_.push_back({frames_.state(at.frame), frames_.below(at.frame)});
    }
  }
}

void Stepper::step(std::span<const Place> from, uint8_t byte) {
  for (const Place& place : from) {
    const StateId next = automaton_.next(place.state, byte);
    if (next != Automaton::kNoState) enter({next, place.frame});
  }
}

}  // namespace fathom::grammar
