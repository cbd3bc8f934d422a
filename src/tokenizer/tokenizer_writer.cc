#include "tokenizer/tokenizer_writer.h"

#include <array>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/segment.h"

namespace fathom::tokenizer {
namespace {

constexpr int64_t kBytes = 256;
constexpr std::string_view kPad = "<｜▁pad▁｜>";

constexpr std::array<std::string_view, 3> kEarly = {kBos, kEos, kPad};

// Their order is that of DeepSeek-V3's own tokens.
constexpr std::array<std::string_view, 17> kLate = {
    kFimHole,
    kFimBegin,
    kFimEnd,
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|EOT|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
    "<think>",
    "</think>",
};

json::Object added_token(int64_t id, std::string_view text, bool is_special) {
  return {{"id", id},        {"content", text},           {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", !is_special}, {"special", is_special}};
}

json::Object byte_level(bool adds_space, bool trims, bool uses_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", adds_space}, {"trim_offsets", trims}, {"use_regex", uses_regex}};
}

json::Object pre_tokenizer() {
  json::Array stages;
  for (const std::string& pattern : v3_patterns()) {
    stages.push_back(json::Object{
        {"type", "Split"}, {"pattern", json::Object{{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  stages.push_back(byte_level(false, true, false));
  return {{"type", "Sequence"}, {"pretokenizers", stages}};
}

}  // namespace

int64_t learned_tokens(int64_t vocab_size) {
  return vocab_size - kBytes - static_cast<int64_t>(kEarly.size() + kLate.size());
}

std::string tokenizer_json(std::span<const Merge> merges) {
  json::Array added;
  json::Object vocab;
  int64_t id = 0;
  for (const std::string_view text : kEarly) {
    vocab[text] = id;
    added.push_back(added_token(id++, text, true));
  }
  std::vector<std::string> symbols;  // by the trainer's id
  for (int byte = 0; byte < kBytes; ++byte) symbols.push_back(symbol_of(static_cast<uint8_t>(byte)));
  for (const std::string& symbol : symbols) vocab[symbol] = id++;
  json::Array pairs;
  for (const Merge& merge : merges) {
    const std::string& left = symbols[static_cast<size_t>(merge.left)];
    const std::string& right = symbols[static_cast<size_t>(merge.right)];
    pairs.emplace_back(left + " " + right);
    if (static_cast<size_t>(merge.product) < symbols.size()) continue;  // made before, from other halves
    symbols.push_back(left + right);
    vocab[symbols.back()] = id++;
  }
  for (const std::string_view text : kLate) added.push_back(added_token(id++, text, false));

  const json::Object model = {{"type", "BPE"},
                              {"dropout", nullptr},
                              {"unk_token", nullptr},
                              {"continuing_subword_prefix", nullptr},
                              {"end_of_word_suffix", nullptr},
                              {"fuse_unk", false},
                              {"byte_fallback", false},
                              {"vocab", vocab},
                              {"merges", pairs}};
  return json::dump(json::Object{{"version", "1.0"},
                                 {"truncation", nullptr},
                                 {"padding", nullptr},
                                 {"added_tokens", added},
                                 {"normalizer", json::Object{{"type", "Sequence"}, {"normalizers", json::Array()}}},
                                 {"pre_tokenizer", pre_tokenizer()},
                                 {"post_processor", byte_level(true, false, true)},
                                 {"decoder", byte_level(true, true, true)},
                                 {"model", model}});
}

std::string tokenizer_config_json() {
  return json::dump(json::Object{{"add_bos_token", true},
                                 {"add_eos_token", false},
                                 {"bos_token", kBos},
                                 {"eos_token", kEos},
                                 {"pad_token", kPad},
                                 {"clean_up_tokenization_spaces", false},
                                 {"tokenizer_class", "PreTrainedTokenizerFast"}});
}

}  // namespace fathom::tokenizer
