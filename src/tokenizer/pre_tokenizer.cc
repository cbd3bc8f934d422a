#include "tokenizer/pre_tokenizer.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// GPT-2's pattern, which ByteLevel with use_regex stands for.
constexpr const char* kByteLevelPattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// Deeper nesting and more stages than these are no honest file's.
constexpr size_t kMaxStages = 64;

class SequenceStage : public PreTokenizer {
 public:
  explicit SequenceStage(std::vector<std::unique_ptr<PreTokenizer>> stages) : stages_(std::move(stages)) {}

  void split(std::string_view text, std::vector<size_t>& ends) const override {
    if (text.empty()) return;
    std::vector<size_t> pieces = {text.size()};
    std::vector<size_t> next;
    for (const auto& stage : stages_) {
      next.clear();
      size_t begin = 0;
      for (const size_t end : pieces) {
        const size_t first = next.size();
        stage->split(text.substr(begin, end - begin), next);
        for (size_t i = first; i < next.size(); ++i) next[i] += begin;
        begin = end;
      }
      pieces.swap(next);
    }
    ends.insert(ends.end(), pieces.begin(), pieces.end());
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> stages_;
};

bool flag(const json::Reader& json, std::string_view key, bool otherwise) {
  const std::optional<json::Reader> found = json.find(key);
  return found ? found->as_bool() : otherwise;
}

std::string string_of(const json::Reader& json) {
  const auto& text = json.as_string();
  return {text.data(), text.size()};
}

// A Split whose pattern is a plain text.
std::string quoted_pattern(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool is_special = std::string_view("\\^$.|?*+()[]{}-").find(c) != std::string_view::npos;
    if (is_special) out += '\\';
    out += c;
  }
  return out;
}

SplitStage read_split(const json::Reader& json) {
  SplitStage stage;
  const json::Reader pattern = json.get("pattern");
  const std::optional<json::Reader> plain = pattern.find("String");
  stage.pattern = plain ? quoted_pattern(string_of(*plain)) : string_of(pattern.get("Regex"));
  if (stage.pattern.empty()) pattern.fail_expected("a pattern that is not empty");
  if (flag(json, "invert", false)) fail(ErrorCode::kUnsupported, json.location(), "found an inverted Split");
  const json::Reader behavior = json.get("behavior");
  const std::string name = string_of(behavior);
  if (name == "MergedWithPrevious") {
    stage.behavior = SplitBehavior::kMergedWithPrevious;
  } else if (name == "MergedWithNext") {
    stage.behavior = SplitBehavior::kMergedWithNext;
  } else if (name == "Contiguous") {
    stage.behavior = SplitBehavior::kContiguous;
  } else if (name != "Isolated") {
    fail(ErrorCode::kUnsupported, behavior.location(),
         "found '{}', expected Isolated, MergedWithPrevious, MergedWithNext or Contiguous", name);
  }
  return stage;
}

struct Stage {
  SplitStage split;
  std::string where;
};

// The Splits of `json` in order.
void collect(const json::Reader& json, std::vector<Stage>& stages, bool& has_byte_level) {
  const json::Reader type = json.get("type");
  const std::string name = string_of(type);
  if (name == "Sequence") {
    for (const json::Reader& item : json.get("pretokenizers").items()) collect(item, stages, has_byte_level);
  } else if (name == "Split") {
    stages.push_back({read_split(json), json.location()});
  } else if (name == "Digits") {
    const bool is_individual = flag(json, "individual_digits", false);
    stages.push_back({{is_individual ? "\\p{N}" : "\\p{N}+", SplitBehavior::kIsolated}, json.location()});
  } else if (name == "ByteLevel") {
    if (flag(json, "add_prefix_space", true)) {
      fail(ErrorCode::kUnsupported, json.location(), "found add_prefix_space true, expected false");
    }
    if (flag(json, "use_regex", true)) {
      stages.push_back({{kByteLevelPattern, SplitBehavior::kIsolated}, json.location()});
    }
    has_byte_level = true;
  } else {
    fail(ErrorCode::kUnsupported, type.location(), "found '{}', expected Sequence, Split, Digits or ByteLevel", name);
  }
  if (stages.size() > kMaxStages) fail(ErrorCode::kUnsupported, json.location(), "more than {} stages", kMaxStages);
}

bool is_v3(const std::vector<Stage>& stages, size_t first) {
  const std::vector<std::string>& patterns = v3_patterns();
  if (first + patterns.size() > stages.size()) return false;
  for (size_t i = 0; i < patterns.size(); ++i) {
    const SplitStage& split = stages[first + i].split;
    if (split.behavior != SplitBehavior::kIsolated || split.pattern != patterns[i]) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<PreTokenizer> make_sequence(std::vector<std::unique_ptr<PreTokenizer>> stages) {
  if (stages.size() == 1) return std::move(stages.front());
  return std::make_unique<SequenceStage>(std::move(stages));
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::Reader& json, bool& has_byte_level) {
  std::vector<Stage> stages;
  has_byte_level = false;
  collect(json, stages, has_byte_level);
  std::vector<std::unique_ptr<PreTokenizer>> made;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (is_v3(stages, i)) {
      made.push_back(make_v3_scanner());
      i += v3_patterns().size() - 1;
      continue;
    }
    std::unique_ptr<PreTokenizer> simple = make_simple_stage(stages[i].split);
    made.push_back(simple ? std::move(simple) : make_regex_stage(stages[i].split, stages[i].where));
  }
  return make_sequence(std::move(made));
}

}  // namespace fathom::tokenizer
