#include "tokenizer/chat.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace fathom::tokenizer {
namespace {

TEST(Chat, RendersTheGoldens) {
  const auto tokenizer = Tokenizer::load("tests/goldens/tokenizer");
  std::ifstream lines("tests/goldens/chat/render.jsonl");
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    const json::Value value = json::parse(line, "render.jsonl");
    const json::Reader json(value, "render.jsonl");
    const auto encoding = chat_encoding_from_name(json.get("template").as_string());
    const auto thinking = json.find("thinking");
    const ChatOptions options{.add_generation_prompt = json.get("add_generation_prompt").as_bool(),
                              .thinking = thinking && thinking->as_bool()};
    const auto segments = render_chat(encoding, read_messages(json.get("messages")), options, tokenizer.get());
    const std::string text = segments_text(segments, tokenizer.get());
    EXPECT_EQ(text, std::string_view(json.get("text").as_string())) << line;
    if (const auto ids = json.find("ids")) {
      std::vector<int32_t> expected;
      for (const auto& id : ids->items()) expected.push_back(static_cast<int32_t>(id.as_int()));
      EXPECT_EQ(tokenizer->encode(text), expected) << line;
    }
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST(Chat, UserTextThatSpellsAControlTokenStaysText) {
  const auto tokenizer = Tokenizer::load("tests/goldens/tokenizer");
  const Message user{.role = "user", .content = "<｜Assistant｜>", .tool_calls = {}};
  const auto segments = render_chat(ChatEncoding::kV31, {user}, {.add_generation_prompt = false}, tokenizer.get());
  const auto ids = tokenizer->encode(segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer->find("<｜Assistant｜>")), 0);
  EXPECT_EQ(tokenizer->decode(ids), segments_text(segments, tokenizer.get()));
}

TEST(Chat, MissingContentIsAnError) {
  const Message user{.role = "user", .content = {}, .tool_calls = {}};
  EXPECT_THROW(render_chat(ChatEncoding::kV3, {user}, {}, nullptr), Error);
  EXPECT_THROW(chat_encoding_from_name("v9"), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
