#include "grammar/matcher.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace fathom::grammar {

Matcher::Matcher(std::shared_ptr<const CompiledGrammar> grammar)
    : grammar_(std::move(grammar)), stepper_(grammar_->automaton(), frames_), other_(grammar_->automaton(), frames_) {
  stepper_.begin();
  stepper_.enter({grammar_->automaton().start(), kBottom});
  push_step(stepper_.places(), stepper_.has_ended(), false);
}

void Matcher::push_step(std::span<const Place> places, bool can_end, bool has_finished) {
  steps_.push_back({places_.size(), can_end, has_finished});
  places_.insert(places_.end(), places.begin(), places.end());
}

void Matcher::mask(std::span<uint64_t> mask) const {
  FATHOM_CHECK(mask.size() >= grammar_->vocabulary().mask_words());
  std::fill(mask.begin(), mask.end(), 0);
  for (const Place& place : places()) grammar_->masks().add(place, frames_, mask);
  const auto eos = grammar_->vocabulary().eos();
  if (can_end() && eos) mask[static_cast<size_t>(*eos) / 64] |= uint64_t{1} << (*eos % 64);
}

bool Matcher::accept(TokenId token) {
  if (token == grammar_->vocabulary().eos()) {
    if (!can_end()) return false;
    push_step({}, false, true);
    return true;
  }
  const std::string_view bytes = grammar_->vocabulary().token_bytes(token);
  return !bytes.empty() && accept_bytes(bytes);
}

bool Matcher::accept_bytes(std::string_view bytes) {
  if (bytes.empty()) {
    const std::vector<Place> same(places().begin(), places().end());
    push_step(same, steps_.back().can_end, steps_.back().has_finished);
    return true;
  }
  Stepper* from = nullptr;
  Stepper* to = &stepper_;
  for (const char c : bytes) {
    to->begin();
    to->step(from == nullptr ? places() : std::span<const Place>(from->places()), static_cast<uint8_t>(c));
    if (to->is_dead()) return false;
    from = to;
    to = from == &stepper_ ? &other_ : &stepper_;
  }
  push_step(from->places(), from->has_ended(), false);
  return true;
}

void Matcher::rollback(size_t count) {
  FATHOM_CHECK_MSG(count <= accepted(), "{} of {} tokens", count, accepted());
  if (count == 0) return;
  places_.resize(steps_[steps_.size() - count].begin);
  steps_.resize(steps_.size() - count);
}

std::string Matcher::forced_bytes(size_t max_bytes) const {
  std::string out;
  std::vector<Place> at(places().begin(), places().end());
  bool can_stop = steps_.back().can_end;
  while (out.size() < max_bytes && !can_stop && !at.empty()) {
    const uint8_t byte = grammar_->automaton().byte_edges(at[0].state)[0].low;
    for (const Place& place : at) {
      const auto edges = grammar_->automaton().byte_edges(place.state);
      if (edges.size() > 1 || edges[0].low != byte || edges[0].high != byte) return out;
    }
    stepper_.begin();
    stepper_.step(at, byte);
    at = stepper_.places();
    can_stop = stepper_.has_ended();
    out += static_cast<char>(byte);
  }
  return out;
}

std::optional<TokenId> Matcher::forced_token() const {
  std::vector<uint64_t> bits(grammar_->vocabulary().mask_words());
  mask(bits);
  std::optional<TokenId> found;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] == 0) continue;
    if (found || std::popcount(bits[i]) > 1) return std::nullopt;
    found = static_cast<TokenId>(i * 64 + static_cast<size_t>(std::countr_zero(bits[i])));
  }
  return found;
}

}  // namespace fathom::grammar
