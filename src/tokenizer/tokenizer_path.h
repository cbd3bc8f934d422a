#pragma once
// Which file of a folder holds its tokenizer.

#include <cstdint>
#include <string>

namespace fathom::tokenizer {

// tokenizer.json, or tiktoken.model where that alone is there. Without either: the path that the first would have.
std::string tokenizer_path(const std::string& folder);

// Of that file: token shards carry it. Throws Error when it cannot be read.
uint64_t tokenizer_hash(const std::string& folder);

}  // namespace fathom::tokenizer
