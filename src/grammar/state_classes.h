#pragma once
// States that short texts cannot tell apart. In a string of at most 1,000 characters each count is a state of its own,
// but for a token of 16 bytes all with 16 or more left are one; masks are made once for each class.

#include <vector>

#include "grammar/automaton.h"

namespace fathom::grammar {

// For each state the first of its class: both read the same texts of up to `bytes` bytes within their rule, call the
// same rules meanwhile and may end at the same places.
std::vector<StateId> state_classes(const Automaton& automaton, size_t bytes);

}  // namespace fathom::grammar
