#include "tokenizer/reasoning_splitter.h"

#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

// The parts of `text`, given in pieces of `size` bytes.
ReasoningSplitter::Parts split(bool is_inside, const std::string& text, size_t size) {
  ReasoningSplitter splitter(is_inside);
  ReasoningSplitter::Parts all;
  const auto add = [&](const ReasoningSplitter::Parts& parts) {
    all.reasoning += parts.reasoning;
    all.content += parts.content;
  };
  for (size_t at = 0; at < text.size(); at += size) add(splitter.push(std::string_view(text).substr(at, size)));
  add(splitter.finish());
  return all;
}

TEST(ReasoningSplitter, PartsAreTheSameHoweverTheTextComes) {
  struct Case {
    bool is_inside;
    const char* text;
    const char* reasoning;
    const char* content;
  };
  const Case cases[] = {{true, "hm</think>\n\nyes", "hm", "yes"},
                        {true, "a < b </thin k> </think>c</think>", "a < b </thin k> ", "c</think>"},
                        {true, "never closed </th", "never closed </th", ""},
                        {true, "</think>x", "", "x"},
                        {false, "<think>\nhm</think>yes", "\nhm", "yes"},
                        {false, "\n<think>hm</think>yes", "hm", "yes"},
                        {false, "<thin air", "", "<thin air"},
                        {false, "<thi", "", "<thi"},
                        {false, "plain <think>text</think>", "", "plain <think>text</think>"},
                        {false, "", "", ""}};
  for (const Case& c : cases) {
    for (size_t size = 1; size < 12; ++size) {
      const auto parts = split(c.is_inside, c.text, size);
      EXPECT_EQ(parts.reasoning, c.reasoning) << c.text << " by " << size;
      EXPECT_EQ(parts.content, c.content) << c.text << " by " << size;
    }
  }
}

}  // namespace
}  // namespace fathom::tokenizer
