// Calls from tokens to the terminal: a model of which each token leads to one other, so that it says what the test
// wants.

#include <map>
#include <random>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "program_test.h"
#include "tokenizer/chat_writer.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

namespace words = tokenizer::chat;

constexpr int64_t kHidden = 96;

class ChatToolsTest : public ProgramTest {
 protected:
  ChatToolsTest() : model_(path("model")) {
    fs::create_directory(model_);
    write_tokenizer({"calculator", R"({"expression": "6*7"})", "It is 42."});
    tokenizer_ = tokenizer::Tokenizer::load(model_);
    write_config();
    const std::vector<std::vector<std::string_view>> said = {
        {words::kThinkEnd, words::kCallsBegin, words::kCallBegin, "calculator", words::kSeparator,
         R"({"expression": "6*7"})", words::kCallEnd, words::kCallsEnd, tokenizer::kEos},
        {words::kOutputEnd, "It is 42.", tokenizer::kEos}};
    write_weights(said);
    std::ofstream(model_ + "/tools.json") << R"([{"tool": "calculator"}])";
  }

  // That of the bundled model, with tokens for whole texts.
  void write_tokenizer(const std::vector<std::string>& texts) const {
    json::Value json = json::parse_file("models/tiny/tokenizer.json");
    json::Array& added = json.as_object().at("added_tokens").as_array();
    for (const std::string& text : texts) {
      json::Value token = added.back();
      token.as_object()["id"] = token.as_object().at("id").as_int64() + 1;
      token.as_object()["content"] = text;
      added.push_back(std::move(token));
    }
    std::ofstream(model_ + "/tokenizer.json") << json::dump(json);
    fs::copy("models/tiny/tokenizer_config.json", model_);
  }

  void write_config() const {
    json::Value json = json::parse_file("models/tiny/config.json");
    json.as_object()["vocab_size"] = tokenizer_->vocab_size();
    std::ofstream(model_ + "/config.json") << json::dump(json);
  }

  // Layers that add nothing: the hidden state of a token is its embedding, and the head knows what follows it.
  void write_weights(const std::vector<std::vector<std::string_view>>& said) const {
    const auto vocab = static_cast<int64_t>(tokenizer_->vocab_size());
    std::mt19937 random(1);
    std::vector<float> embeddings;
    for (int64_t i = 0; i < vocab * kHidden; ++i) embeddings.push_back(random() % 2 == 0 ? 1.0F : -1.0F);
    std::vector<float> head(embeddings.size(), 0.0F);
    for (const auto& texts : said) {
      for (size_t i = 0; i + 1 < texts.size(); ++i) {
        const auto from = static_cast<size_t>(*tokenizer_->find_added(texts[i]) * kHidden);
        const auto to = static_cast<size_t>(*tokenizer_->find_added(texts[i + 1]) * kHidden);
        for (size_t d = 0; d < kHidden; ++d) head[to + d] += embeddings[from + d];
      }
    }
    const std::map<std::string, Tensor> known = {
        {"model.embed_tokens.weight", Tensor::of({vocab, kHidden}, embeddings)},
        {"lm_head.weight", Tensor::of({vocab, kHidden}, head)},
        {"model.norm.weight", Tensor::of({kHidden}, std::vector<float>(kHidden, 1.0F))}};
    std::vector<std::pair<std::string, Tensor>> out;
    const auto tiny = checkpoint::SafetensorsFile::open("models/tiny/model-00001-of-00001.safetensors");
    for (const auto& entry : tiny->tensors()) {
      Shape shape = entry.shape;
      if (entry.name.find("embed_tokens") != std::string::npos || entry.name.find("head") != std::string::npos) {
        if (shape.size() == 2) shape = {vocab, kHidden};
      }
      const auto found = known.find(entry.name);
      out.emplace_back(entry.name, found == known.end() ? Tensor::zeros(shape) : found->second);
    }
    checkpoint::write_safetensors(model_ + "/model.safetensors", out);
  }

  std::string chat(const std::string& flags) const {
    return " | $F chat --model " + model_ + " --history '' --threads 1 -n 32 --temperature 0 " + flags;
  }

  std::string model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
};

TEST_F(ChatToolsTest, TheAnswerAloneIsOnStandardOutput) {
  for (const std::string flags : {"", "--no-mtp", "--stop xyz"}) {
    const Outcome got = shell("echo '6*7?'" + chat(flags));
    ASSERT_EQ(got.code, 0) << got.err;
    EXPECT_EQ(got.out, "It is 42.\n") << flags;
    EXPECT_EQ(got.err, "· calculator 6*7\n  42\n") << flags;
  }
}

TEST_F(ChatToolsTest, CallsAreKeptAndTakenBack) {
  const std::string file = path("saved.json");
  const Outcome got = shell("printf 'a\\n/retry\\n/edit b\\nc\\n/undo\\n/save " + file + "\\n'" + chat(""));
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, "It is 42.\nIt is 42.\nIt is 42.\nIt is 42.\n");
  EXPECT_EQ(text_of(file),
            R"([{"role":"user","content":"b"},{"role":"assistant","content":"","tool_calls":[{"id":"call_1",)"
            R"("type":"function","function":{"name":"calculator","arguments":"{\"expression\": \"6*7\"}"}}]},)"
            R"({"role":"tool","content":"42","tool_call_id":"call_1"},{"role":"assistant","content":"It is 42."}])"
            "\n");
}

TEST_F(ChatToolsTest, WithoutToolsACallIsText) {
  for (const std::string flags : {"--tools none", "--stop xyz --tools none"}) {
    const Outcome got = shell("echo '6*7?'" + chat(flags));
    ASSERT_EQ(got.code, 0) << got.err;
    EXPECT_TRUE(got.out.starts_with("<｜tool▁calls▁begin｜>")) << got.out;
    EXPECT_EQ(got.err, "");
  }
  EXPECT_EQ(shell("printf '/tools off\\n6*7?\\n/tools on\\n/retry\\n'" + chat("")).err, "· calculator 6*7\n  42\n");
}

}  // namespace
}  // namespace fathom
