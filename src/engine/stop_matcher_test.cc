#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

namespace fathom::engine {
namespace {

// Feeds `text` in pieces of `size` bytes; returns what came out, the rest included.
std::string feed(StopMatcher& matcher, const std::string& text, size_t size) {
  std::string out;
  for (size_t i = 0; i < text.size(); i += size) out += matcher.push(text.substr(i, size));
  return out + matcher.finish();
}

TEST(StopMatcher, CutsAtTheFirstMatchHoweverTheTextIsSplit) {
  for (size_t size = 1; size < 12; ++size) {
    StopMatcher matcher({"END", "\n\n", ""});
    EXPECT_EQ(feed(matcher, "one ENE ENDED\n\ntwo", size), "one ENE ");
    EXPECT_TRUE(matcher.is_stopped());
    EXPECT_EQ(matcher.matched(), "END");
  }
}

TEST(StopMatcher, GivesAllTextWithoutAMatch) {
  for (size_t size = 1; size < 12; ++size) {
    StopMatcher matcher({"abab!"});
    EXPECT_EQ(feed(matcher, "abababab abab", size), "abababab abab");
    EXPECT_FALSE(matcher.is_stopped());
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatCouldStillMatch) {
  StopMatcher matcher({"stop"});
  EXPECT_EQ(matcher.push("do not st"), "do not ");
  EXPECT_EQ(matcher.push("ay"), "stay");
  EXPECT_EQ(matcher.push("s"), "");
  EXPECT_EQ(matcher.push("top and more"), "");
  EXPECT_TRUE(matcher.is_stopped());
  EXPECT_EQ(matcher.push("more"), "");
}

}  // namespace
}  // namespace fathom::engine
