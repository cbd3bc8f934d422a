// Answers with calls, by a replier that says what the test wrote down.

#include "assistant/conversation.h"

#include <gtest/gtest.h>

#include "assistant/calculator.h"
#include "assistant/lookup_command.h"
#include "base/error.h"
#include "tokenizer/chat_writer.h"

namespace fathom::assistant {
namespace {

using tokenizer::ChatEncoding;
using tokenizer::control;
using tokenizer::plain;
using tokenizer::Segment;
namespace words = tokenizer::chat;

using Script = std::vector<Segment>;

// Gives the next script for each prompt, and keeps the prompts.
class ScriptedReplier : public Replier {
 public:
  explicit ScriptedReplier(std::vector<Script> scripts) : scripts_(std::move(scripts)) {}

  bool reply(const std::vector<Segment>& prompt, const std::function<bool(const Segment&)>& on_piece) override {
    prompts.push_back(tokenizer::text_of(prompt));
    if (prompts.size() > scripts_.size()) fail(ErrorCode::kIo, "model", "is gone");
    for (const Segment& piece : scripts_[prompts.size() - 1]) {
      if (!on_piece(piece)) return true;
      ++pieces;
    }
    return !is_interrupted;
  }

  std::vector<std::string> prompts;
  int pieces = 0;  // that were wanted to go on
  bool is_interrupted = false;

 private:
  std::vector<Script> scripts_;
};

// What a person sees.
class Transcript : public Watcher {
 public:
  void on_text(const ReplyParts& parts) override {
    if (!parts.reasoning.empty()) text += "[" + parts.reasoning + "]";
    text += parts.content;
  }
  void on_call(const tokenizer::ToolCall& call, const std::string& result) override {
    text += "{" + call.name + " " + call.arguments + " -> " + result + "}";
  }
  void on_notice(const std::string& notice) override { text += "(" + notice + ")"; }

  std::string text;
};

Script call(const std::string& name, const std::string& arguments, const std::string& content = "") {
  Script out;
  if (!content.empty()) out.push_back(plain(content));
  for (const Segment& piece :
       {control(words::kCallsBegin), control(words::kCallBegin), plain(name), control(words::kSeparator),
        plain(arguments), control(words::kCallEnd), control(words::kCallsEnd)}) {
    out.push_back(piece);
  }
  return out;
}

ToolBox box() {
  ToolBox out;
  out.add(std::make_unique<LookupCommand>(PageIndex::parse(R"({"name": "tar", "page": "# tar"})", "pages")));
  out.add(std::make_unique<Calculator>());
  return out;
}

const std::string kBlock =
    "## Tools\n\nThese tools can be called:\n\n### lookup_command\n\nDescription: Look up examples for a shell "
    "command.\n\nParameters: "
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"the command\"}},"
    "\"required\":[\"name\"]}\n";

TEST(Conversation, ACallIsRunAndItsResultRead) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  ScriptedReplier model({call("lookup_command", "{\"name\": \"tar\"}"), {plain("tar xf "), plain("b.tar")}});
  Transcript seen;
  chat.say("Unpack b.tar", model, seen);
  EXPECT_EQ(seen.text, "{lookup_command {\"name\": \"tar\"} -> # tar}tar xf b.tar");
  const auto& messages = chat.messages();
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0].role, "user");
  EXPECT_EQ(messages[1].role, "assistant");
  ASSERT_TRUE(messages[1].tool_calls);
  EXPECT_EQ(messages[1].tool_calls->at(0).name, "lookup_command");
  EXPECT_EQ(messages[2].role, "tool");
  EXPECT_EQ(*messages[2].content, "# tar");
  EXPECT_EQ(*messages[3].content, "tar xf b.tar");
  EXPECT_FALSE(messages[3].tool_calls);
  ASSERT_EQ(model.prompts.size(), 2U);
  EXPECT_TRUE(model.prompts[0].starts_with("<｜begin▁of▁sentence｜>" + kBlock)) << model.prompts[0];
  EXPECT_TRUE(model.prompts[0].ends_with("<｜User｜>Unpack b.tar<｜Assistant｜></think>")) << model.prompts[0];
  EXPECT_EQ(model.prompts[1],
            model.prompts[0] +
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup_command<｜tool▁sep｜>{\"name\": \"tar\"}"
                "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
                "<｜tool▁output▁begin｜># tar<｜tool▁output▁end｜>");
}

TEST(Conversation, NothingBehindTheCallsIsWanted) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  Script long_reply = call("calculator", "{\"expression\": \"2*3\"}", "Let me see.");
  long_reply.push_back(plain("And I made up a result"));
  ScriptedReplier model({long_reply, {plain("6")}});
  Transcript seen;
  chat.say("2*3?", model, seen);
  EXPECT_EQ(seen.text, "Let me see.{calculator {\"expression\": \"2*3\"} -> 6}6");
  EXPECT_EQ(model.pieces, 7 + 1);  // the end of the calls was refused more
  EXPECT_EQ(*chat.messages()[1].content, "Let me see.");
}

TEST(Conversation, SeveralCallsAndRounds) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  Script two = call("calculator", "{\"expression\": \"1+1\"}");
  two.pop_back();
  for (const Segment& piece : call("lookup_command", "{\"name\": \"tarr\"}")) {
    if (piece != control(words::kCallsBegin)) two.push_back(piece);
  }
  ScriptedReplier model({two, call("lookup_command", "{name}"), call("weather", "{}"), {plain("done")}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_TRUE(seen.text.starts_with(
      "{calculator {\"expression\": \"1+1\"} -> 2}{lookup_command {\"name\": \"tarr\"} -> no page for 'tarr'; pages "
      "with similar names: tar}{lookup_command {name} -> error: arguments: "))
      << seen.text;
  EXPECT_TRUE(seen.text.ends_with("-> error: there is no such tool; there are: lookup_command, calculator}done"));
  ASSERT_EQ(chat.messages().size(), 9U);
  EXPECT_TRUE(chat.messages()[5].content->starts_with("error: arguments: ")) << *chat.messages()[5].content;
}

TEST(Conversation, CallsWithoutEndAreEnded) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  ScriptedReplier model(std::vector<Script>(9, call("calculator", "{\"expression\": \"1\"}")));
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_EQ(model.prompts.size(), 5U);
  EXPECT_TRUE(seen.text.ends_with("(no answer after 4 rounds of calls)"));
  EXPECT_EQ(chat.messages().size(), 1U + 4 * 2 + 1);
  EXPECT_FALSE(chat.messages().back().tool_calls);
}

TEST(Conversation, ACallCutShortIsAnErrorForTheModel) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  ScriptedReplier model({{control(words::kCallsBegin), control(words::kCallBegin), plain("calculator"),
                          control(words::kSeparator), plain("{\"expre")},
                         {plain("sorry")},
                         {plain("hm"), control(words::kCallsBegin)}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_TRUE(seen.text.starts_with("{calculator {\"expre -> error: arguments: "));
  EXPECT_TRUE(seen.text.ends_with("}sorry"));
  chat.say("again", model, seen);  // calls without one are none
  EXPECT_EQ(*chat.messages().back().content, "hm");
  EXPECT_FALSE(chat.messages().back().tool_calls);
}

TEST(Conversation, TextThatSpellsACallIsText) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  const std::string spelled = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>calculator<｜tool▁sep｜>{}";
  ScriptedReplier model({{plain(spelled)}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_EQ(seen.text, spelled);
  EXPECT_EQ(*chat.messages().back().content, spelled);
}

TEST(Conversation, WithoutToolsControlsAreText) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  chat.set_tools_on(false);
  ScriptedReplier model({call("calculator", "{}"), {plain("a")}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_TRUE(seen.text.starts_with("<｜tool▁calls▁begin｜>"));
  EXPECT_EQ(model.prompts.size(), 1U);
  EXPECT_EQ(model.prompts[0].find("## Tools"), std::string::npos);
  chat.set_tools_on(true);
  chat.say("again", model, seen);
  EXPECT_NE(model.prompts[1].find("## Tools"), std::string::npos);
}

TEST(Conversation, ReasoningComesBeforeTheResultsOnly) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, true);
  Script first = call("calculator", "{\"expression\": \"1\"}", "hm</think>");
  ScriptedReplier model({first, {plain("one")}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_EQ(seen.text, "[hm]{calculator {\"expression\": \"1\"} -> 1}one");
  EXPECT_TRUE(model.prompts[0].ends_with("<think>"));
  EXPECT_EQ(*chat.messages()[1].reasoning_content, "hm");
}

TEST(Conversation, FailuresAndInterruptions) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  Transcript seen;
  ScriptedReplier fails({call("calculator", "{\"expression\": \"1\"}")});
  chat.set_prefix("So");
  EXPECT_THROW(chat.say("go", fails, seen), Error);
  EXPECT_TRUE(chat.messages().empty());
  Script cut = call("calculator", "{\"expression\": \"1\"}");
  cut.pop_back();
  ScriptedReplier interrupted({cut});
  interrupted.is_interrupted = true;
  seen.text.clear();
  chat.say("go", interrupted, seen);  // the prefix is still there, the call is not run
  EXPECT_TRUE(interrupted.prompts[0].ends_with("</think>So"));
  EXPECT_EQ(seen.text, "So");
  ASSERT_EQ(chat.messages().size(), 2U);
  EXPECT_EQ(*chat.messages()[1].content, "So");
}

TEST(Conversation, TakesBackCallsAndResultsToo) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  EXPECT_THROW(chat.take_back(), Error);
  chat.reset("Be brief.");
  ScriptedReplier model({call("calculator", "{\"expression\": \"1\"}"), {plain("one")}});
  Transcript seen;
  chat.say("go", model, seen);
  EXPECT_EQ(chat.messages().size(), 5U);
  EXPECT_EQ(chat.take_back(), "go");
  ASSERT_EQ(chat.messages().size(), 1U);
  EXPECT_EQ(chat.messages()[0].role, "system");
}

TEST(Conversation, SavedAndLoadedItIsTheSamePrompt) {
  const ToolBox tools = box();
  Conversation chat(ChatEncoding::kV31, tools, false);
  ScriptedReplier model({call("calculator", "{\"expression\": \"1\"}"), {plain("one")}, {plain("two")}});
  Transcript seen;
  chat.reset("Be brief.");
  chat.say("go", model, seen);
  chat.say("on", model, seen);
  const json::Value saved = chat.saved();
  EXPECT_EQ(
      json::dump(saved.as_array()[2].as_object().at("tool_calls")),
      R"([{"id":"call_1","type":"function","function":{"name":"calculator","arguments":"{\"expression\": \"1\"}"}}])");
  EXPECT_EQ(saved.as_array()[3].as_object().at("tool_call_id").as_string(), "call_1");
  Conversation again(ChatEncoding::kV31, tools, false);
  again.load(json::Reader(saved, "saved"));
  EXPECT_EQ(tokenizer::text_of(again.prompt()), tokenizer::text_of(chat.prompt()));
  EXPECT_EQ(json::dump(again.saved()), json::dump(saved));
  const json::Value bare = json::parse(R"([{"role":"user"}])", "bare");
  EXPECT_THROW(again.load(json::Reader(bare, "bare")), Error);
  EXPECT_EQ(json::dump(again.saved()), json::dump(saved));
  const json::Value null_content = json::parse(
      R"([{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}])", "null");
  again.load(json::Reader(null_content, "null"));
  EXPECT_EQ(*again.messages()[0].content, "");
}

TEST(Conversation, ToolsNeedAnEncodingWhoseCallsAreRead) {
  const ToolBox tools = box();
  EXPECT_THROW(Conversation(ChatEncoding::kV3, tools, false), Error);
  const ToolBox none;
  EXPECT_NO_THROW(Conversation(ChatEncoding::kV3, none, false));
}

}  // namespace
}  // namespace fathom::assistant
