#pragma once
// A prompt in parts: control tokens by their text, and plain text that stays text whatever it spells. Written by the
// chat encodings, made into ids by Tokenizer::encode.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::tokenizer {

struct Segment {
  bool is_control = false;
  std::string text;

  bool operator==(const Segment&) const = default;
};

inline Segment control(std::string_view text) { return {true, std::string(text)}; }
inline Segment plain(std::string_view text) { return {false, std::string(text)}; }

// All texts joined.
std::string text_of(std::span<const Segment> segments);

// The texts of control tokens in the DeepSeek family.
inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kFimBegin = "<｜fim▁begin｜>";
inline constexpr std::string_view kFimHole = "<｜fim▁hole｜>";
inline constexpr std::string_view kFimEnd = "<｜fim▁end｜>";

// The prompt for filling in the middle, in the order prefix, suffix, middle. Without a suffix it is a completion of the
// prefix.
std::vector<Segment> fim_prompt(std::string_view prefix, std::string_view suffix);

}  // namespace fathom::tokenizer
