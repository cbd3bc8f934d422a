#pragma once
// Cutting text into the pieces that BPE works on, as tokenizer.json's "pre_tokenizer" says: stages of regular
// expressions, each applied to every piece of the stage before.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fathom::tokenizer {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the ends (byte offsets) of the pieces of `text`, valid UTF-8, in order. Safe from any thread.
  // Throws Error(kInvalidData) when a pattern's match limit is reached on hostile text.
  virtual void split(std::string_view text, std::vector<size_t>& ends) const = 0;
};

// Builds what the file asks for; the patterns of DeepSeek-V3 get a scanner of their own that reads the text once.
// Throws Error for a kind that is not supported or a pattern that does not compile.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::Reader& json);

// The two ways for the V3 patterns, for tests that hold one against the other.
std::unique_ptr<PreTokenizer> make_v3_scanner();
std::unique_ptr<PreTokenizer> make_regex_stages(const std::vector<std::string>& patterns);

// The patterns of DeepSeek-V3 and its successors.
const std::vector<std::string>& v3_patterns();

}  // namespace fathom::tokenizer
