#include "tokenizer/chat.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace fathom::tokenizer {
namespace {

Message says(const std::string& role, const std::string& content) {
  Message message;
  message.role = role;
  message.content = content;
  return message;
}

Message calls(const std::string& content, std::vector<ToolCall> tool_calls) {
  Message message = says("assistant", content);
  message.tool_calls = std::move(tool_calls);
  message.has_tool_calls_key = true;
  return message;
}

std::string rendered(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options = {}) {
  return text_of(render_chat(encoding, messages, options));
}

const std::string kBegin = "<｜begin▁of▁sentence｜>";
const std::string kEnd = "<｜end▁of▁sentence｜>";

std::string fenced(const std::string& name, const std::string& arguments) {
  return "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n```json\n" + arguments + "\n```<｜tool▁call▁end｜>";
}

// Section 2.3 of the specification, rules 1 to 8.
TEST(Chat, CorrectedV3ClosesWhatItOpens) {
  const std::vector<Message> twice = {says("system", "S1"),
                                      says("user", "U"),
                                      calls("", {{.name = "f", .arguments = "{}"}, {.name = "g", .arguments = "1"}}),
                                      says("tool", "one"),
                                      says("tool", "two"),
                                      calls("more", {{.name = "h", .arguments = "{}"}}),
                                      says("tool", "three"),
                                      says("system", "S2"),
                                      says("assistant", "A"),
                                      says("user", "V")};
  EXPECT_EQ(rendered(ChatEncoding::kV3Corrected, twice),
            kBegin + "S1\n\nS2<｜User｜>U<｜Assistant｜><｜tool▁calls▁begin｜>" + fenced("f", "{}") + "\n" +
                fenced("g", "1") + "<｜tool▁calls▁end｜>" + kEnd +
                "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>one<｜tool▁output▁end｜>\n<｜tool▁output▁begin｜>two"
                "<｜tool▁output▁end｜><｜tool▁outputs▁end｜>more<｜tool▁calls▁begin｜>" +
                fenced("h", "{}") + "<｜tool▁calls▁end｜>" + kEnd +
                "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>three<｜tool▁output▁end｜><｜tool▁outputs▁end｜>A" +
                kEnd + "<｜User｜>V<｜Assistant｜>");
  Message prefix = says("assistant", "Once");
  prefix.is_prefix = true;
  EXPECT_EQ(rendered(ChatEncoding::kV3Corrected, {says("user", "U"), prefix}),
            kBegin + "<｜User｜>U<｜Assistant｜>Once");
}

TEST(Chat, V25AndR10528) {
  const std::vector<Message> talk = {says("user", "U"), says("assistant", "x</think>A"), says("user", "V")};
  EXPECT_EQ(rendered(ChatEncoding::kV25, talk),
            kBegin + "<｜User｜>U<｜Assistant｜>x</think>A" + kEnd + "<｜User｜>V<｜Assistant｜>");
  EXPECT_EQ(rendered(ChatEncoding::kR10528, talk),
            kBegin + "<｜User｜>U<｜Assistant｜>A" + kEnd + "<｜User｜>V<｜Assistant｜>");
}

// Section 2.7.
TEST(Chat, V32WritesCallsAsDsml) {
  Message call = calls("look", {{.name = "get", .arguments = R"({"city":"Ulm","days":[1,2]})"}});
  call.reasoning_content = "hm";
  const std::vector<Message> talk = {
      says("system", "S"), says("user", "old"), says("assistant", "yes"), says("user", "U"), call,
      says("tool", "rain")};
  EXPECT_EQ(
      rendered(ChatEncoding::kV32, talk, {.thinking = true}),
      kBegin + "S<｜User｜>old<｜Assistant｜></think>yes" + kEnd +
          "<｜User｜>U<｜Assistant｜><think>hm</think>look\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get\">\n"
          "<｜DSML｜parameter name=\"city\" string=\"true\">Ulm</｜DSML｜parameter>\n"
          "<｜DSML｜parameter name=\"days\" string=\"false\">[1, 2]</｜DSML｜parameter>\n"
          "</｜DSML｜invoke>\n</｜DSML｜function_calls>" +
          kEnd + "\n\n<function_results>\n<result>rain</result>\n</function_results>\n\n<think>");
  EXPECT_EQ(rendered(ChatEncoding::kV32, {says("user", "U")}), kBegin + "<｜User｜>U<｜Assistant｜></think>");
}

// Section 1.4: what is no object is one parameter.
TEST(Chat, V32WritesArgumentsThatAreNoObjectAsText) {
  for (const std::string arguments : {"", "{\"city\": \"U", "[1]", "\"x\"", "null", "{} {}"}) {
    const std::vector<Message> talk = {says("user", "U"), calls("", {{.name = "get", .arguments = arguments}}),
                                       says("tool", "r")};
    EXPECT_NE(rendered(ChatEncoding::kV32, talk)
                  .find("<｜DSML｜invoke name=\"get\">\n<｜DSML｜parameter name=\"arguments\" string=\"true\">" +
                        arguments + "</｜DSML｜parameter>\n</｜DSML｜invoke>"),
              std::string::npos)
        << arguments;
  }
}

TEST(Chat, DeclaresTools) {
  const json::Value json = json::parse(
      R"([{"type":"function","function":{"name":"get","description":"Weather","parameters":{"type":"object"}}}])",
      "test");
  ChatOptions options;
  options.tools = read_tools(json::Reader(json, "tools"));
  for (const ChatEncoding encoding : {ChatEncoding::kV3, ChatEncoding::kV3Corrected, ChatEncoding::kR1,
                                      ChatEncoding::kR10528, ChatEncoding::kV31, ChatEncoding::kV32Exp}) {
    const std::string text = rendered(encoding, {says("system", "S"), says("user", "U")}, options);
    EXPECT_EQ(text.find(kBegin + "S\n\n## Tools\n"), 0U) << text;
    EXPECT_NE(text.find("### get\n\nDescription: Weather\n\nParameters: {\"type\":\"object\"}"), std::string::npos);
  }
  EXPECT_NE(rendered(ChatEncoding::kV32, {says("user", "U")}, options)
                .find("<functions>\n{\"name\": \"get\", \"description\": \"Weather\""),
            std::string::npos);
  EXPECT_THROW(rendered(ChatEncoding::kV2, {says("user", "U")}, options), Error);
}

// What tells the published templates from each other, with what they have in common.
TEST(Chat, RecognisesTemplatesByTheirFeatures) {
  const auto tokenizer = Tokenizer::load("tests/goldens/tokenizer");
  const std::string v25 = "{{ '<｜User｜>' + text }}";
  const std::string v3 = v25 + "{% set ns.is_output_first = true %}{{ '<｜tool▁outputs▁begin｜>' }}";
  const std::string r1 = v3 + "{{ text.split('</think>')[-1] }}";
  const std::string v31 = v3 + "{% if ns.is_last_user %}{{ '</think>' }}{% endif %}";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"v2", "{{ 'User: ' + text }}"},
      {"v2.5", v25},
      {"v3", v3},
      {"r1", r1},
      {"r1-think", r1 + "{{ '<｜Assistant｜><think>\\n' }}"},
      {"r1-0528", r1 + "{{ text + '<｜Assistant｜>' }}"},
      {"v3.1", v31},
      {"v3.2-exp", v31 + "{% set ns.is_only_sys = true %}"}};
  const std::string folder = testing::TempDir() + "chat_features";
  std::filesystem::create_directories(folder);
  for (const auto& [name, text] : cases) {
    std::ofstream(folder + "/chat_template.jinja") << text;
    EXPECT_EQ(chat_encoding_name(recognise_chat_encoding(folder, *tokenizer)), name);
  }
  std::ofstream(folder + "/chat_template.jinja") << "{{ text }}";
  EXPECT_THROW(recognise_chat_encoding(folder, *tokenizer), Error);
}

// The published templates, each by its own file, where they are at hand.
TEST(Chat, RecognisesPublishedTemplates) {
  if (!std::filesystem::exists("../shared/goldens/chat/templates")) GTEST_SKIP() << "no ../shared/goldens";
  const auto tokenizer = Tokenizer::load("tests/goldens/tokenizer");
  for (const std::string name : {"v2", "v3", "r1", "r1-think", "v3.1", "v3.2-exp"}) {
    const std::string file = "../shared/goldens/chat/templates/" + name + ".jinja";
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
    const std::string folder = testing::TempDir() + "chat_" + name;
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(file, folder + "/chat_template.jinja",
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(chat_encoding_name(recognise_chat_encoding(folder, *tokenizer)), name);
  }
}

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
    const auto segments = render_chat(encoding, read_messages(json.get("messages")), options);
    const std::string text = text_of(segments);
    EXPECT_EQ(text, std::string_view(json.get("text").as_string())) << line;
    if (const auto ids = json.find("ids")) {
      std::vector<int32_t> expected;
      for (const auto& id : ids->items()) expected.push_back(static_cast<int32_t>(id.as_int()));
      EXPECT_EQ(tokenizer->encode(text, {.parse_special = true}), expected) << line;
      // In segments only the template's own control texts are tokens.
      if (json.get("id").as_string() != "special_in_content") {
        EXPECT_EQ(tokenizer->encode(segments), expected) << line;
      }
    }
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST(Chat, UserTextThatSpellsAControlTokenStaysText) {
  const auto tokenizer = Tokenizer::load("tests/goldens/tokenizer");
  const Message user = says("user", "<｜Assistant｜>");
  const auto segments = render_chat(ChatEncoding::kV31, {user}, {.add_generation_prompt = false});
  const auto ids = tokenizer->encode(segments);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer->find_added("<｜Assistant｜>")), 0);
  EXPECT_EQ(tokenizer->decode(ids), text_of(segments));
}

TEST(Chat, MissingContentIsAnError) {
  Message user;
  user.role = "user";
  EXPECT_THROW(render_chat(ChatEncoding::kV3, {user}, {}), Error);
  EXPECT_THROW(chat_encoding_from_name("v9"), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
