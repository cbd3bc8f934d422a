// From text to sequences: shards, their order, documents of text, middles and chats.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "train/data_builder.h"
#include "train/data_stream.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

class DataTest : public testing::Test {
 protected:
  DataTest() {
    std::string name = (fs::temp_directory_path() / "fathom-data-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~DataTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // Documents of these lengths; token t of document d is 100 d + t.
  std::shared_ptr<const TokenShard> shard(const std::string& name, const std::vector<int>& lengths) const {
    std::vector<Document> documents;
    for (size_t d = 0; d < lengths.size(); ++d) {
      documents.emplace_back();
      for (int t = 0; t < lengths[d]; ++t) documents.back().emplace_back(static_cast<int32_t>(100 * d) + t, t % 3 != 2);
    }
    write_token_shard(path(name), documents, 1000, 7, 99);
    return TokenShard::open(path(name));
  }

  std::string folder_;
};

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

const std::shared_ptr<const tokenizer::Tokenizer>& tiny() {
  static const auto loaded = tokenizer::Tokenizer::load("models/tiny");
  return loaded;
}

std::string text_of(const Document& document, bool learned_only) {
  std::vector<int32_t> ids;
  for (const ShardToken token : document) {
    if (token.is_learned() || !learned_only) ids.push_back(token.id());
  }
  return tiny()->decode(ids);
}

TEST_F(DataTest, ShardsAreReadBack) {
  const auto read = shard("s", {3, 0, 5});
  EXPECT_EQ(read->documents(), 3);
  EXPECT_EQ(read->tokens(), 8);
  EXPECT_EQ(read->vocab_size(), 1000);
  EXPECT_EQ(read->tokenizer_hash(), 7U);
  EXPECT_EQ(read->text_bytes(), 99);
  EXPECT_EQ(read->document(1).size(), 0U);
  EXPECT_EQ(read->document(2)[4].id(), 204);
  EXPECT_TRUE(read->document(2)[4].is_learned());
  EXPECT_FALSE(read->document(2)[2].is_learned());
}

TEST_F(DataTest, BrokenShardsAreRefused) {
  shard("s", {3, 5});
  std::ifstream in(path("s"), std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(path("bad"), std::ios::binary) << bytes;
    const std::string error = error_of([&] { TokenShard::open(path("bad")); });
    EXPECT_NE(error.find("bad"), std::string::npos) << error;
    return error;
  };
  for (size_t size = 0; size < good.size(); ++size) refused(good.substr(0, size));
  refused(good + "x");
  std::string other = good;
  other[0] = 'x';
  EXPECT_NE(refused(other).find("no token shard"), std::string::npos);
  other = good;
  other[4 * 8 + 7] = 1;  // 2^56 documents
  refused(other);
  other = good;
  other[6 * 8 + 8] = 9;  // the first document ends behind the second
  EXPECT_NE(refused(other).find("follow"), std::string::npos);
  other = good;
  other[good.size() - 2] = 1;  // an id of 65,536 and more
  EXPECT_NE(refused(other).find("vocabulary"), std::string::npos);
}

// Every token but a document's first is a target once an epoch, behind the tokens of its own document.
TEST_F(DataTest, AnEpochIsEveryDocumentOnce) {
  const std::vector<int> lengths = {7, 1, 30, 2, 12, 0, 5};
  DataStream stream({{shard("s", lengths), 1}}, 5);
  std::multiset<int32_t> seen;
  int64_t expected = 0;
  for (const int length : lengths) expected += std::max(0, length - 1);
  for (int64_t left = expected; left > 0;) {
    int64_t tokens = 0;
    for (const Sequence& sequence : stream.next(std::min<int64_t>(4, left), 3)) {
      EXPECT_LE(sequence.inputs.size(), 3U);
      tokens += static_cast<int64_t>(sequence.inputs.size());
      for (size_t i = 0; i < sequence.inputs.size(); ++i) {
        seen.insert(sequence.inputs[i]);
        const int32_t next = sequence.inputs[i] + 1;
        EXPECT_EQ(sequence.targets[i], next % 100 % 3 == 2 ? ops::kNoTarget : next);
      }
    }
    EXPECT_GT(tokens, 0);
    EXPECT_LE(tokens, 4);
    left -= tokens;
  }
  std::multiset<int32_t> all;
  for (size_t d = 0; d < lengths.size(); ++d) {
    for (int t = 0; t + 1 < lengths[d]; ++t) all.insert(static_cast<int32_t>(100 * d) + t);
  }
  EXPECT_EQ(seen, all);
}

std::vector<int32_t> inputs_of(const std::vector<Sequence>& sequences) {
  std::vector<int32_t> out;
  for (const Sequence& sequence : sequences) out.insert(out.end(), sequence.inputs.begin(), sequence.inputs.end());
  return out;
}

// What would be cut at the end of a batch begins the next one; only what is longer than a batch is cut.
TEST_F(DataTest, DocumentsThatFitStayWhole) {
  DataStream stream({{shard("s", {9, 9, 9, 9, 60}), 1}}, 5);
  for (int step = 0; step < 30; ++step) {
    for (const Sequence& sequence : stream.next(20, 100)) {
      const int32_t first = sequence.inputs.front();
      if (first < 400) {
        EXPECT_EQ(sequence.inputs.size(), 8U);
        EXPECT_EQ(first % 100, 0);
      }
    }
  }
}

// A book does not fill batch after batch: between its sequences stand those of other sources.
TEST_F(DataTest, LongDocumentsAreInterleaved) {
  DataStream stream({{shard("long", {99, 99}), 1}, {shard("short", {6, 7, 5, 8}), 1}}, 5);
  for (int step = 0; step < 20; ++step) {
    int64_t of_long = 0;
    const auto before = stream.position()[0].tokens;
    stream.next(40, 10);
    of_long = stream.position()[0].tokens - before;
    EXPECT_NEAR(static_cast<double>(of_long), 20, 10);
  }
}

TEST_F(DataTest, WeightsCanChangeOnTheWay) {
  DataStream stream({{shard("a", {9, 4, 17}), 1}, {shard("b", {25, 6}), 1}}, 3);
  stream.next(40, 40);
  stream.set_weights({0, 1});
  const int64_t before = stream.position()[0].tokens;
  for (int i = 0; i < 5; ++i) stream.next(40, 40);
  EXPECT_EQ(stream.position()[0].tokens, before);
  stream.set_weights({1, 1});
  const int64_t of_b = stream.position()[1].tokens;
  for (int i = 0; i < 30; ++i) stream.next(40, 40);
  // Shares count from the change on: the source that rested does not catch up.
  EXPECT_NEAR(static_cast<double>(stream.position()[0].tokens - before),
              static_cast<double>(stream.position()[1].tokens - of_b), 30);
  EXPECT_THROW(stream.set_weights({0, 0}), Error);
  EXPECT_THROW(stream.set_weights({1}), Error);
  EXPECT_THROW(stream.set_weights({1, -1}), Error);
}

TEST_F(DataTest, AStreamContinuesWhereItWas) {
  const std::vector<DataSource> sources = {{shard("a", {9, 4, 17, 3}), 3}, {shard("b", {25, 6}), 1}};
  DataStream whole(sources, 11);
  DataStream first(sources, 11);
  for (int step = 0; step < 40; ++step) {
    DataStream resumed(sources, 11);
    resumed.seek(first.position());
    const auto expected = inputs_of(whole.next(7, 5));
    EXPECT_EQ(inputs_of(resumed.next(7, 5)), expected) << step;
    EXPECT_EQ(inputs_of(first.next(7, 5)), expected) << step;
  }
  DataStream other(sources, 12);
  EXPECT_NE(inputs_of(other.next(50, 50)), inputs_of(DataStream(sources, 11).next(50, 50)));
}

TEST_F(DataTest, SourcesGetTheirShare) {
  DataStream stream({{shard("a", {9, 4, 17, 3}), 3}, {shard("b", {25, 6}), 1}}, 1);
  stream.next(8000, 16);
  EXPECT_NEAR(static_cast<double>(stream.position()[0].tokens), 6000, 60);
  EXPECT_GT(stream.position()[0].epoch, 100);
}

TEST_F(DataTest, StreamsOfNothingAreRefused) {
  EXPECT_THROW(DataStream({}, 1), Error);
  EXPECT_NE(error_of([&] { DataStream({{shard("a", {1, 0}), 1}}, 1); }).find("two tokens"), std::string::npos);
  EXPECT_NE(error_of([&] { DataStream({{shard("a", {5}), 0}}, 1); }).find("weight"), std::string::npos);
  DataStream stream({{shard("a", {5}), 1}}, 1);
  EXPECT_THROW(stream.seek({}), Error);
  EXPECT_THROW(stream.seek({{.epoch = 0, .index = 9, .offset = 0, .tokens = 0}}), Error);
}

TEST(DataBuilder, TextStandsBetweenBeginAndEnd) {
  DataBuilder builder(tiny(), {});
  builder.add_text("a text", "x");
  builder.add_text("a text", "y");
  EXPECT_EQ(builder.counts().duplicates, 1);
  ASSERT_EQ(builder.train().documents.size(), 1U);
  EXPECT_EQ(text_of(builder.train().documents[0], true), "<｜begin▁of▁sentence｜>a text<｜end▁of▁sentence｜>");
  EXPECT_EQ(builder.train().text_bytes, 6);
  EXPECT_THROW(builder.add_text("\xFF", "z"), Error);
}

TEST(DataBuilder, TakesTheWantedLines) {
  DataBuilder builder(tiny(), {.filter = LineFilter{.key = "source", .values = {"a", "c"}}});
  std::stringstream in(
      "{\"source\":\"a\",\"text\":\"1\"}\n{\"source\":\"b\",\"text\":\"2\"}\n{\"text\":\"3\"}\n"
      "{\"source\":\"c\",\"text\":\"4\"}\n");
  builder.add_jsonl(in, "x");
  EXPECT_EQ(builder.counts().filtered, 2);
  ASSERT_EQ(builder.train().documents.size(), 2U);
  EXPECT_EQ(text_of(builder.train().documents[1], true), "<｜begin▁of▁sentence｜>4<｜end▁of▁sentence｜>");
}

TEST(DataBuilder, MiddlesAreWholeTexts) {
  DataBuilder builder(tiny(), {.fim_rate = 0.5});
  std::set<std::string> texts;
  for (int i = 0; i < 200; ++i) {
    const std::string text = "line " + std::to_string(i) + "\nnaïve 日本\nlast";
    texts.insert(text);
    builder.add_text(text, "x");
  }
  EXPECT_GT(builder.counts().fim, 70);
  EXPECT_LT(builder.counts().fim, 130);
  for (const Document& document : builder.train().documents) {
    std::string text = text_of(document, false);
    text = text.substr(std::string(tokenizer::kBos).size());
    text = text.substr(0, text.size() - std::string(tokenizer::kEos).size());
    if (text.starts_with(tokenizer::kFimBegin)) {
      const size_t hole = text.find(tokenizer::kFimHole);
      const size_t end = text.find(tokenizer::kFimEnd);
      const size_t begin = tokenizer::kFimBegin.size();
      text = text.substr(begin, hole - begin) + text.substr(end + tokenizer::kFimEnd.size()) +
             text.substr(hole + tokenizer::kFimHole.size(), end - hole - tokenizer::kFimHole.size());
    }
    EXPECT_EQ(texts.count(text), 1U) << text;
  }
}

TEST(DataBuilder, LongTextsAreCutAtLineEnds) {
  DataBuilder builder(tiny(), {.piece_bytes = 40});
  std::string text;
  for (int i = 0; i < 30; ++i)
    text += "line " + std::to_string(i) + (i == 7 ? " 日本日本日本日本日本日本日本日本" : "") + "\n";
  builder.add_text(text, "x");
  std::string joined;
  EXPECT_GT(builder.train().documents.size(), 5U);
  for (const Document& document : builder.train().documents) {
    std::string piece = text_of(document, true);
    piece = piece.substr(tokenizer::kBos.size(), piece.size() - tokenizer::kBos.size() - tokenizer::kEos.size());
    EXPECT_LE(piece.size(), 42U);  // a character is never cut
    joined += piece;
  }
  EXPECT_EQ(joined, text);
  builder.add_text(text, "y");
  EXPECT_EQ(builder.counts().duplicates, 1);
}

// As an editor asks: a part of the gaps ends where its line does, and begins anywhere in it.
TEST(DataBuilder, SomeGapsAreTheRestOfALine) {
  DataBuilder builder(tiny(), {.fim_rate = 1});
  int rests = 0;
  for (int i = 0; i < 300; ++i) {
    builder.add_text("first line of " + std::to_string(i) + "\nsecond line\nthird line\nfourth line", "x");
  }
  for (const Document& document : builder.train().documents) {
    const std::string text = text_of(document, false);
    const size_t hole = text.find(tokenizer::kFimHole);
    const size_t end = text.find(tokenizer::kFimEnd);
    if (end == std::string::npos) continue;  // a gap at the end of a text is no gap
    const std::string middle = text.substr(end + tokenizer::kFimEnd.size());
    const bool is_before_line_end = text[hole + tokenizer::kFimHole.size()] == '\n';
    if (is_before_line_end && text[hole - 1] != '\n' && middle.find('\n') == std::string::npos) ++rests;
  }
  EXPECT_GT(rests, 40);
  EXPECT_LT(rests, 200);
}

TEST(DataBuilder, AnswersAreLearnedPromptsAreNot) {
  DataBuilder builder(tiny(), {});
  std::istringstream in(
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"},{"role":"assistant","content":"A"},)"
      R"({"role":"user","content":"V"},{"role":"assistant","content":"B"}]})"
      "\n");
  builder.add_jsonl(in, "x");
  ASSERT_EQ(builder.train().documents.size(), 1U);
  const Document& document = builder.train().documents[0];
  EXPECT_EQ(text_of(document, true), "A<｜end▁of▁sentence｜>B<｜end▁of▁sentence｜>");
  EXPECT_EQ(text_of(document, false),
            "<｜begin▁of▁sentence｜>S<｜User｜>U<｜Assistant｜></think>A<｜end▁of▁sentence｜>"
            "<｜User｜>V<｜Assistant｜></think>B<｜end▁of▁sentence｜>");
  EXPECT_EQ(builder.train().text_bytes, 2);
}

TEST(DataBuilder, ReasoningIsLearnedAndNotShownAgain) {
  DataBuilder builder(tiny(), {});
  std::istringstream in(
      R"({"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A","reasoning_content":"R"},)"
      R"({"role":"user","content":"V"},{"role":"assistant","content":"B","reasoning_content":"Q"}]})");
  builder.add_jsonl(in, "x");
  ASSERT_EQ(builder.train().documents.size(), 2U);
  EXPECT_EQ(text_of(builder.train().documents[0], true), "R</think>A<｜end▁of▁sentence｜>");
  EXPECT_EQ(text_of(builder.train().documents[0], false),
            "<｜begin▁of▁sentence｜><｜User｜>U<｜Assistant｜><think>R</think>A<｜end▁of▁sentence｜>");
  EXPECT_EQ(text_of(builder.train().documents[1], true), "Q</think>B<｜end▁of▁sentence｜>");
  EXPECT_EQ(text_of(builder.train().documents[1], false).find("R"), std::string::npos);
}

TEST(DataBuilder, HeldOutDocumentsStayThere) {
  const auto run = [](bool reversed) {
    DataBuilder builder(tiny(), {.heldout_share = 0.2});
    for (int i = 0; i < 300; ++i) builder.add_text("text " + std::to_string(reversed ? 299 - i : i), "x");
    std::set<std::string> out;
    for (const Document& document : builder.heldout().documents) out.insert(text_of(document, false));
    return out;
  };
  EXPECT_EQ(run(false), run(true));
  EXPECT_GT(run(false).size(), 35U);
  EXPECT_LT(run(false).size(), 90U);
}

TEST(DataBuilder, BadLinesAreNamed) {
  const std::string lines = "{\"text\":\"good\"}\n{\n\n{\"other\":1}\n{\"messages\":[]}\n{\"text\":7}\n";
  std::istringstream fatal(lines);
  DataBuilder strict(tiny(), {});
  EXPECT_NE(error_of([&] { strict.add_jsonl(fatal, "file"); }).find("file: line 2"), std::string::npos);
  std::istringstream skipped(lines);
  DataBuilder lenient(tiny(), {.bad_lines = BadLines::kSkipped});
  lenient.add_jsonl(skipped, "file");
  EXPECT_EQ(lenient.counts().bad, 4);
  EXPECT_EQ(lenient.counts().lines, 5);
  EXPECT_EQ(lenient.train().documents.size(), 1U);
  ASSERT_EQ(lenient.counts().first_bad.size(), 4U);
  EXPECT_NE(lenient.counts().first_bad[1].find("line 4"), std::string::npos);
}

}  // namespace
}  // namespace fathom::train
