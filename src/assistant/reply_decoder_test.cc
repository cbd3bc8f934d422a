#include "assistant/reply_decoder.h"

#include <gtest/gtest.h>

#include "tokenizer/chat_writer.h"

namespace fathom::assistant {
namespace {

using tokenizer::control;
using tokenizer::plain;

// The segments that tokens give, with neighbouring texts joined.
std::vector<tokenizer::Segment> decoded(const std::vector<tokenizer::TokenId>& ids,
                                        const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer) {
  ReplyDecoder decoder(tokenizer);
  std::vector<tokenizer::Segment> out;
  const auto add = [&](const std::vector<tokenizer::Segment>& pieces) {
    for (const auto& piece : pieces) {
      if (!piece.is_control && !out.empty() && !out.back().is_control) {
        out.back().text += piece.text;
      } else {
        out.push_back(piece);
      }
    }
  };
  for (const auto id : ids) add(decoder.push(id));
  add(decoder.finish());
  return out;
}

TEST(ReplyDecoder, CallsComeInControls) {
  const auto tokenizer = tokenizer::Tokenizer::load("models/tiny");
  const std::vector<tokenizer::Segment> said = {plain("Größe: "),
                                                control(tokenizer::chat::kCallsBegin),
                                                control(tokenizer::chat::kCallBegin),
                                                plain("lookup_command"),
                                                control(tokenizer::chat::kSeparator),
                                                plain("{\"name\": \"tar\"}"),
                                                control(tokenizer::chat::kCallEnd),
                                                control(tokenizer::chat::kCallsEnd)};
  EXPECT_EQ(decoded(tokenizer->encode(said), tokenizer), said);
  // What only spells a control is text.
  const std::vector<tokenizer::Segment> spelled = {plain("<｜tool▁calls▁begin｜>")};
  EXPECT_EQ(decoded(tokenizer->encode(spelled), tokenizer), spelled);
}

TEST(ReplyDecoder, TextComesInWholeCharacters) {
  const auto tokenizer = tokenizer::Tokenizer::load("models/tiny");
  auto ids = tokenizer->encode("ö");
  ASSERT_GT(ids.size(), 1U);
  ReplyDecoder decoder(tokenizer);
  EXPECT_TRUE(decoder.push(ids[0]).empty());
  EXPECT_EQ(decoder.push(ids[1]), std::vector<tokenizer::Segment>{plain("ö")});
  // Half of one in front of a call is shown as such; special tokens are not shown.
  ids = {ids[0], *tokenizer->find_added(tokenizer::chat::kCallsBegin), *tokenizer->eos()};
  const std::vector<tokenizer::Segment> half = {plain("\xef\xbf\xbd"), control(tokenizer::chat::kCallsBegin)};
  EXPECT_EQ(decoded(ids, tokenizer), half);
}

}  // namespace
}  // namespace fathom::assistant
