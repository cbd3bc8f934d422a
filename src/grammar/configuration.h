#pragma once
// Where a text stands in an automaton: a set of places, each a state with the stack of callers to return to.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/automaton.h"

namespace fathom::grammar {

using FrameId = uint32_t;
constexpr FrameId kBottom = 0;  // the stack on which nothing lies

// Stacks as linked frames, each made once: equal stacks have equal ids. Frames are kept as long as the pool; there are
// as many as different stacks were met.
class FramePool {
 public:
  FrameId push(StateId state, FrameId below);
  // The state to return to; the stack below.
  StateId state(FrameId frame) const { return frames_[frame].state; }
  FrameId below(FrameId frame) const { return frames_[frame].below; }

 private:
  struct Frame {
    StateId state;
    FrameId below;
  };
  std::vector<Frame> frames_ = {{Automaton::kNoState, kBottom}};
  std::unordered_map<uint64_t, FrameId> ids_;
};

struct Place {
  StateId state;
  FrameId frame;
  bool operator==(const Place&) const = default;
};

// Computes sets of places. After begin(), enter() and step() add to the set; places() has those that read a byte next.
class Stepper {
 public:
  // More places at once than any sensible grammar has; a grammar as ambiguous is refused while it runs.
  static constexpr size_t kMaxPlaces = 4096;

  Stepper(const Automaton& automaton, FramePool& frames) : automaton_(automaton), frames_(frames) {}

  void begin();
  // Adds a place and all that is reached from it without reading. Throws Error(kResource) past kMaxPlaces.
  void enter(Place place);
  // enter() for what `byte` leads to from each of the places `from`, which must not be places() of this.
  void step(std::span<const Place> from, uint8_t byte);

  const std::vector<Place>& places() const { return places_; }
  // Whether the end of the rule at the bottom of the stack was reached.
  bool has_ended() const { return has_ended_; }
  bool is_dead() const { return places_.empty() && !has_ended_; }

 private:
  bool is_new(Place place);

  const Automaton& automaton_;
  FramePool& frames_;
  std::vector<Place> places_;
  std::vector<Place> seen_;
  std::vector<Place> pending_;
  std::unordered_set<uint64_t> seen_ids_;  // the same as seen_, once it is long
  bool has_ended_ = false;
};

}  // namespace fathom::grammar
