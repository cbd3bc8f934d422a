#pragma once

#include <cstdint>

namespace fathom::tokenizer {

// The number of a token: a row of the embedding.
using TokenId = int32_t;

}  // namespace fathom::tokenizer
