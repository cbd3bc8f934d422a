#pragma once
// A trained vocabulary as the files that Hugging Face's readers, and ours, take.

#include <span>
#include <string>

#include "tokenizer/bpe.h"

namespace fathom::tokenizer {

// Tokens that a vocabulary of `vocab_size` has room for beside bytes and control tokens.
int64_t learned_tokens(int64_t vocab_size);

// tokenizer.json: begin, end and padding are 0 to 2, then bytes, what merges make, and the other
// control tokens of DeepSeek-V3. Merges
// are those of BpeTrainer. The pre-tokenizer is DeepSeek-V3's.
std::string tokenizer_json(std::span<const Merge> merges);
// tokenizer_config.json beside it.
std::string tokenizer_config_json();

}  // namespace fathom::tokenizer
