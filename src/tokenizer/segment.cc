#include "tokenizer/segment.h"

namespace fathom::tokenizer {

std::string text_of(std::span<const Segment> segments) {
  std::string out;
  for (const Segment& segment : segments) out += segment.text;
  return out;
}

std::vector<Segment> fim_prompt(std::string_view prefix, std::string_view suffix) {
  if (suffix.empty()) return {control(kBos), plain(prefix)};
  return {control(kBos), control(kFimBegin), plain(prefix), control(kFimHole), plain(suffix), control(kFimEnd)};
}

}  // namespace fathom::tokenizer
