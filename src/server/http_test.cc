// Targets of requests, taken apart.

#include "server/http.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "base/random.h"

namespace fathom::server {
namespace {

TEST(Target, SplitsAndDecodes) {
  const auto target = parse_target("/a%20b/+?x=1%262&y=a+b&x=3&&=z&flag#");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/+");
  const std::map<std::string, std::string> expected = {{"x", "3"}, {"y", "a b"}, {"flag#", ""}};
  EXPECT_EQ(target->query, expected);
}

TEST(Target, RefusesWhatIsMalformed) {
  for (const char* target : {"", "a", "?x=1", "/%", "/%4", "/%4g", "/%00", "/a\nb", "/?%0a=1", "/?a=%7f"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
}

TEST(Target, AnyBytesAreRefusedOrClean) {
  static constexpr std::string_view kLikely = "/?&=%+0aF.%25";
  const RandomStream random(1, 0);
  uint64_t index = 0;
  const auto is_clean = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  };
  for (int round = 0; round < 100'000; ++round) {
    std::string text = "/";
    for (uint64_t n = random.bits(index++) % 16; n > 0; --n) {
      const uint64_t bits = random.bits(index++);
      text += bits % 4 == 0 ? static_cast<char>(bits >> 8) : kLikely[(bits >> 8) % kLikely.size()];
    }
    const auto target = parse_target(text);
    if (!target) continue;
    ASSERT_TRUE(is_clean(target->path)) << text;
    for (const auto& [name, value] : target->query) ASSERT_TRUE(is_clean(name) && is_clean(value)) << text;
  }
}

TEST(ErrorResponse, IsJsonWhateverItSays) {
  const Response response = error_response(400, "a \"quote\"\n");
  const auto body = json::parse(response.body, "body");
  EXPECT_EQ(json::Reader(body, "body").get("error").get("message").as_string(), "a \"quote\"\n");
  EXPECT_EQ(json::Reader(body, "body").get("error").get("code").as_int(), 400);
}

}  // namespace
}  // namespace fathom::server
