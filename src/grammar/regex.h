#pragma once
// Regular expressions in the manner of ECMAScript, as far as an automaton goes: no look-around, no back-references, no
// word boundaries.

#include <string_view>

#include "grammar/code_points.h"

namespace fathom::grammar {

struct RegexOptions {
  CharSpelling spell = utf8_node;
  // Whether the expression may match anywhere in the text, as JSON Schema's "pattern" does; else all of it.
  bool is_search = false;
};

// The texts that match. Throws Error(kInvalidArgument) or Error(kUnsupported) with the place in the expression.
NodeId regex_node(Grammar& grammar, std::string_view pattern, const RegexOptions& options = {});

}  // namespace fathom::grammar
