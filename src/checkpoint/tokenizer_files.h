#pragma once
// What lies beside a checkpoint's weights and config and is no tensor.

#include <string>

namespace fathom::checkpoint {

// Copies what tells how text becomes tokens and chats become text, as far as `from` has it: the tokenizer
// (tokenizer.json or tiktoken.model), its configuration, the chat template, V3.2's folder `encoding`, and
// generation_config.json. Nothing for an empty `from`. Each file appears whole or not at all. Throws Error.
void copy_tokenizer_files(const std::string& from, const std::string& to);

}  // namespace fathom::checkpoint
