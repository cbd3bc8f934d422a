#include "tokenizer/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace fathom::tokenizer {
namespace {

// Steps of backtracking that one match may take; hostile text on an unknown pattern ends here with an error.
constexpr uint32_t kMatchLimit = 1'000'000;

// One "Split" of the file, behaviour "Isolated": matches and what lies between them are pieces.
class RegexStage {
 public:
  explicit RegexStage(const std::string& pattern) : pattern_(pattern) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    compiled_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                                  &code, &offset, nullptr));
    if (!compiled_) fail(ErrorCode::kUnsupported, "pattern", "'{}' does not compile (at byte {})", pattern, offset);
    pcre2_jit_compile(compiled_.get(), PCRE2_JIT_COMPLETE);
    context_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(context_.get(), kMatchLimit);
  }

  // Splits text[begin, end) as if nothing stood around it.
  void split(std::string_view text, size_t begin, size_t end, std::vector<size_t>& ends) const {
    const std::string_view piece = text.substr(begin, end - begin);
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
        pcre2_match_data_create_from_pattern(compiled_.get(), nullptr), pcre2_match_data_free);
    size_t at = 0;
    while (at < piece.size()) {
      const int found = pcre2_match(compiled_.get(), reinterpret_cast<PCRE2_SPTR>(piece.data()), piece.size(), at,
                                    PCRE2_NO_UTF_CHECK, match.get(), context_.get());
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) fail(ErrorCode::kInvalidData, "text", "takes too many steps to cut by pattern '{}'", pattern_);
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
      if (span[1] == span[0]) break;  // an empty match cuts nothing
      if (span[0] > at) ends.push_back(begin + span[0]);
      ends.push_back(begin + span[1]);
      at = span[1];
    }
    if (at < piece.size()) ends.push_back(end);
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };
  std::string pattern_;
  std::unique_ptr<pcre2_code, Free> compiled_;
  std::unique_ptr<pcre2_match_context, Free> context_;
};

class RegexStages : public PreTokenizer {
 public:
  explicit RegexStages(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) stages_.push_back(std::make_unique<RegexStage>(pattern));
  }

  void split(std::string_view text, std::vector<size_t>& ends) const override {
    std::vector<size_t> cuts;
    if (!text.empty()) cuts.push_back(text.size());
    for (const auto& stage : stages_) {
      std::vector<size_t> finer;
      size_t begin = 0;
      for (const size_t end : cuts) {
        stage->split(text, begin, end, finer);
        begin = end;
      }
      cuts = std::move(finer);
    }
    ends.insert(ends.end(), cuts.begin(), cuts.end());
  }

 private:
  std::vector<std::unique_ptr<RegexStage>> stages_;
};

// GPT-2's pattern, which ByteLevel applies by itself when use_regex is true.
constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void collect(const json::Reader& json, std::vector<std::string>& patterns) {
  const std::string type(json.get("type").as_string());
  if (type == "Sequence") {
    for (const auto& stage : json.get("pretokenizers").items()) collect(stage, patterns);
  } else if (type == "Split") {
    if (json.get("behavior").as_string() != "Isolated") json.get("behavior").fail_expected("Isolated");
    if (const auto invert = json.find("invert"); invert && invert->as_bool()) invert->fail_expected("false");
    patterns.emplace_back(json.get("pattern").get("Regex").as_string());
  } else if (type == "Digits") {
    const auto individual = json.find("individual_digits");
    patterns.emplace_back(individual && individual->as_bool() ? R"(\p{N})" : R"(\p{N}+)");
  } else if (type == "ByteLevel") {
    const auto prefix = json.find("add_prefix_space");
    if (prefix && prefix->as_bool()) prefix->fail_expected("false");
    const auto use_regex = json.find("use_regex");
    if (!use_regex || use_regex->as_bool()) patterns.emplace_back(kGpt2Pattern);
  } else {
    json.get("type").fail_expected("Sequence, Split, Digits or ByteLevel");
  }
}

}  // namespace

const std::vector<std::string>& v3_patterns() {
  static const std::vector<std::string> patterns = {
      R"(\p{N}{1,3})",
      "[一-龥\u3040-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
      "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
  };
  return patterns;
}

std::unique_ptr<PreTokenizer> make_regex_stages(const std::vector<std::string>& patterns) {
  return std::make_unique<RegexStages>(patterns);
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::Reader& json) {
  std::vector<std::string> patterns;
  if (!json.is_null()) collect(json, patterns);
  return patterns == v3_patterns() ? make_v3_scanner() : make_regex_stages(patterns);
}

}  // namespace fathom::tokenizer
