// Calls as a model writes them, right and wrong, and the tools of the bundled folder.

#include "assistant/tool_box.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "assistant/calculator.h"
#include "assistant/get_time.h"
#include "assistant/lookup_command.h"
#include "base/error.h"

namespace fathom::assistant {
namespace {

constexpr const char* kPages =
    "{\"name\": \"Vite\", \"page\": \"# Vite\"}\n"
    "{\"name\": \"git log\", \"page\": \"# git log\"}\n"
    "\n"
    "{\"name\": \"nix build\", \"page\": \"# nix build\"}\n"
    "{\"name\": \"nix-build\", \"page\": \"# nix-build\"}\n"
    "{\"name\": \"tar\", \"page\": \"# tar\\n\\nArchives.\"}";

ToolBox box() {
  ToolBox out;
  out.add(std::make_unique<LookupCommand>(PageIndex::parse(kPages, "pages")));
  out.add(std::make_unique<Calculator>());
  return out;
}

std::string run(const std::string& name, const std::string& arguments) {
  return box().run({.name = name, .arguments = arguments});
}

TEST(ToolBox, RunsCalls) {
  EXPECT_EQ(run("calculator", "{\"expression\": \"12*(3+4)\"}"), "84");
  EXPECT_EQ(run("calculator", "{\"expression\": \"1/0\"}"), "error: division by zero");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"tar\"}"), "# tar\n\nArchives.");
}

TEST(ToolBox, WhatIsWrongIsATextForTheModel) {
  EXPECT_EQ(run("get_weather", "{}"), "error: there is no such tool; there are: lookup_command, calculator");
  EXPECT_EQ(run("calculator", "{}"), "error: arguments: lacks 'expression'");
  EXPECT_EQ(run("calculator", "{\"expression\": 5}"),
            "error: arguments: expression: found 5, expected a value of type string");
  for (const char* arguments : {"", "{", "[]", "null", "12*3", "{\"expression\": null}", "{\"expression\": \"1\"} x"}) {
    EXPECT_TRUE(run("calculator", arguments).starts_with("error: arguments")) << arguments;
  }
  EXPECT_TRUE(run("calculator", std::string(100000, '[')).starts_with("error: arguments: found 100000 bytes"));
  EXPECT_EQ(ToolBox().run({.name = "f", .arguments = "{}"}), "error: there is no such tool; there are: none");
  ToolBox twice = box();
  EXPECT_THROW(twice.add(std::make_unique<Calculator>()), Error);
}

TEST(ToolBox, ToolsAreDeclaredAsInTraining) {
  ToolBox tools = box();
  tools.add(std::make_unique<GetTime>());
  const auto declared = tools.declarations();
  ASSERT_EQ(declared.size(), 3U);
  const auto text = [&](size_t i) { return json::dump(declared[i].declaration, json::Style::kPython); };
  EXPECT_EQ(
      text(0),
      R"({"name": "lookup_command", "description": "Look up examples for a shell command.", "parameters": {"type": )"
      R"("object", "properties": {"name": {"type": "string", "description": "the command"}}, "required": ["name"]}})");
  EXPECT_EQ(text(1),
            R"j({"name": "calculator", "description": "Evaluate an arithmetic expression.", "parameters": {"type": )j"
            R"j("object", "properties": {"expression": {"type": "string", "description": "such as 12*(3+4)"}}, )j"
            R"j("required": ["expression"]}})j");
  EXPECT_EQ(text(2),
            R"({"name": "get_time", "description": "Current time in a city.", "parameters": {"type": "object", )"
            R"("properties": {"city": {"type": "string", "description": "city name"}}, "required": ["city"]}})");
}

TEST(PageIndex, FindsNamesHoweverTheyAreWritten) {
  const PageIndex pages = PageIndex::parse(kPages, "pages");
  EXPECT_EQ(pages.size(), 5U);
  const struct {
    const char* name;
    const char* page;
  } cases[] = {{"git log", "# git log"},     {"git-log", "# git log"},    {"Git_Log", "# git log"},
               {" git   log ", "# git log"}, {"vite", "# Vite"},          {"nix build", "# nix build"},
               {"nix-build", "# nix-build"}, {"NIX-BUILD", "# nix build"}};
  for (const auto& each : cases) {
    const std::string* page = pages.find(each.name);
    ASSERT_NE(page, nullptr) << each.name;
    EXPECT_EQ(*page, each.page) << each.name;
  }
  for (const char* name : {"", "gitlog", "git", "-", "tar.", "nix build x"})
    EXPECT_EQ(pages.find(name), nullptr) << name;
}

TEST(PageIndex, NamesTheNearest) {
  EXPECT_EQ(run("lookup_command", "{\"name\": \"tarr\"}"), "no page for 'tarr'; pages with similar names: tar");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"atr\"}"), "no page for 'atr'; pages with similar names: tar");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"nix\"}"),
            "no page for 'nix'; pages with similar names: nix build, nix-build");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"git lgo\"}"),
            "no page for 'git lgo'; pages with similar names: git log");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"zzz\"}"), "no page for 'zzz'");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"\"}"), "no page for ''");
  EXPECT_EQ(run("lookup_command", "{\"name\": \"" + std::string(300, 'a') + "\"}"), "no page for a name that long");
}

std::string error_of(const std::string& pages) {
  try {
    PageIndex::parse(pages, "pages.jsonl");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PageIndex, BrokenLinesAreNamed) {
  const std::string good = "{\"name\": \"a\", \"page\": \"b\"}\n";
  EXPECT_NE(error_of(good + "{\"name\": \"b\"\n").find("pages.jsonl: line 2"), std::string::npos);
  EXPECT_NE(error_of(good + "\n[]\n").find("pages.jsonl: line 3"), std::string::npos);
  EXPECT_NE(error_of("{\"name\": \"b\"}").find("pages.jsonl: line 1: lacks 'page'"), std::string::npos);
  EXPECT_NE(error_of("{\"name\": 1, \"page\": \"\"}").find("pages.jsonl: line 1: name"), std::string::npos);
  EXPECT_NE(error_of(good + good).find("pages.jsonl: line 2: has a second page 'a'"), std::string::npos);
  EXPECT_EQ(error_of(""), "");
}

class ToolsFile : public testing::Test {
 protected:
  ToolsFile() {
    std::string name = (std::filesystem::temp_directory_path() / "fathom-tools-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~ToolsFile() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ + "/" + name) << text; }
  std::string error() const {
    try {
      load_tools(folder_);
    } catch (const Error& problem) {
      return problem.what();
    }
    return "";
  }

  std::string folder_;
};

TEST_F(ToolsFile, NamesToolsAndTheirFiles) {
  write("pages.jsonl", kPages);
  write("tools.json", R"([{"tool": "lookup_command", "pages": "pages.jsonl"}, {"tool": "get_time"}])");
  const ToolBox tools = load_tools(folder_);
  ASSERT_EQ(tools.tools().size(), 2U);
  EXPECT_EQ(tools.run({.name = "lookup_command", .arguments = "{\"name\": \"VITE\"}"}), "# Vite");
}

TEST_F(ToolsFile, WhatIsWrongIsNamed) {
  EXPECT_NE(error().find("tools.json"), std::string::npos);
  write("tools.json", R"([{"tool": "get_weather"}])");
  EXPECT_NE(error().find("tools.json: [0].tool: found \"get_weather\", expected"), std::string::npos) << error();
  write("tools.json", R"([{"tool": "lookup_command"}])");
  EXPECT_NE(error().find("lacks 'pages'"), std::string::npos) << error();
  write("tools.json", R"([{"tool": "lookup_command", "pages": "none.jsonl"}])");
  EXPECT_NE(error().find("none.jsonl"), std::string::npos) << error();
  write("tools.json", R"([{"tool": "calculator"}, {"tool": "calculator"}])");
  EXPECT_NE(error().find("'calculator' is there twice"), std::string::npos) << error();
}

TEST(BundledTools, AnswerAsInTraining) {
  const ToolBox tools = load_tools("models/helper");
  const std::string page = tools.run({.name = "lookup_command", .arguments = "{\"name\": \"tar\"}"});
  EXPECT_TRUE(page.starts_with("# tar\n\n")) << page;
  EXPECT_NE(page.find("\n\n- "), std::string::npos);
  EXPECT_NE(page.find(":\n  tar "), std::string::npos);
  EXPECT_FALSE(page.ends_with("\n"));
  EXPECT_EQ(tools.run({.name = "calculator", .arguments = "{\"expression\": \"156*302+20\"}"}), "47132");
  const std::string time = tools.run({.name = "get_time", .arguments = "{\"city\": \"Riyadh\"}"});
  ASSERT_EQ(time.size(), 5U) << time;
  EXPECT_EQ(time[2], ':');
}

}  // namespace
}  // namespace fathom::assistant
