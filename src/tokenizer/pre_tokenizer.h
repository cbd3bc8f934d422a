#pragma once
// Cutting text into the pieces that BPE works on, as tokenizer.json's "pre_tokenizer" says: stages, each applied to
// every piece of the stage before. A stage sees one piece at a time, so look-ahead and anchors end at the piece.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fathom::tokenizer {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the ends (byte offsets) of the pieces of `text`, valid UTF-8, in order. Safe from any thread. Empty text
  // has no pieces. Throws Error(kInvalidArgument) when a regular expression finds no end on hostile text.
  virtual void split(std::string_view text, std::vector<size_t>& ends) const = 0;
};

// What becomes of the matches of a Split.
enum class SplitBehavior {
  kIsolated,            // a match is a piece, and so is the text between two
  kMergedWithPrevious,  // a match ends the piece before it
  kMergedWithNext,      // a match begins the piece after it
  kContiguous,          // as isolated, with neighbouring matches joined
};

struct SplitStage {
  std::string pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
};

// Builds what the file asks for: Sequence, Split, Digits, ByteLevel. The patterns of DeepSeek-V3 get a scanner of their
// own, simple patterns (those of DeepSeek-V2, LLM and Coder among them) a linear matcher, all others PCRE2.
// `has_byte_level` tells whether a ByteLevel stage was among them. Throws Error for a kind that is not supported or a
// pattern that does not compile.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::Reader& json, bool& has_byte_level);

// The parts; tests hold one against the other.
std::unique_ptr<PreTokenizer> make_v3_scanner();
// Nothing when `pattern` is none of: C, C+, C{1,N}, \s?C, \s?C+, \s+$ with C one character class.
std::unique_ptr<PreTokenizer> make_simple_stage(const SplitStage& stage);
// `where` names the pattern in errors.
std::unique_ptr<PreTokenizer> make_regex_stage(const SplitStage& stage, const std::string& where);
std::unique_ptr<PreTokenizer> make_sequence(std::vector<std::unique_ptr<PreTokenizer>> stages);

// The patterns of DeepSeek-V3 and its successors.
const std::vector<std::string>& v3_patterns();

}  // namespace fathom::tokenizer
