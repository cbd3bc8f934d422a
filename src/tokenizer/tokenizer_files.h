#pragma once
// What the readers of tokenizer files share.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

// No vocabulary in the field has a quarter as many; a file that says more is lying or not ours.
constexpr int64_t kMaxVocabulary = 1 << 22;

// Parts as tokenizer.json has them. Throws Error(kInvalidData, kUnsupported) naming the field, what was found and
// expected.
TokenizerParts read_tokenizer_json(const json::Reader& json);

// Parts of a tiktoken file (Kimi K2, Moonlight): a line for each token, its bytes in base64 and its rank, which is its
// id. Merges are not listed: the neighbours whose union has the lowest rank go first. Control tokens stand in
// tokenizer_config.json. `where` names the file in errors, which are as above.
TokenizerParts read_tiktoken(std::string_view text, const std::string& where,
                             const std::optional<json::Reader>& config);

// An entry of added_tokens, or of added_tokens_decoder; the id is the caller's to set.
AddedToken read_added_token(const json::Reader& json);

// Sets `parts`' tokens of begin and end of sentence by what the configuration names, else by the family's own names.
void find_sentence_tokens(const std::optional<json::Reader>& config, TokenizerParts& parts);

}  // namespace fathom::tokenizer
