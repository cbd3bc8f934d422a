// The program as a user meets it: what goes wrong is one line and exit code 1, what is interrupted ends well.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "program_test.h"

namespace fathom {
namespace {

constexpr const char* kTiny = "models/tiny";

class CliTest : public ProgramTest {
 protected:
  // The bundled model in a folder of its own, to be spoiled.
  std::string copy_of_tiny() const {
    fs::copy(kTiny, folder_ / "tiny", fs::copy_options::recursive);
    return path("tiny");
  }
};

const std::string kGenerate = "$F generate --model " + std::string(kTiny) + " ";

TEST_F(CliTest, WrongWordsAreOneLine) {
  expect_error("$F", {"subcommand", "fathom --help"});
  expect_error("$F frobnicate", {"frobnicate", "fathom --help"});
  expect_error("$F --frobnicate", {"--frobnicate"});
  expect_error("$F inspect frobnicate", {"frobnicate", "fathom inspect --help"});
  expect_error(kGenerate + "--frobnicate", {"--frobnicate", "fathom generate --help"});
  expect_error("$F generate", {"--model", "fathom generate --help"});
  expect_error(kGenerate + "--threads many", {"--threads", "many"});
  expect_error(kGenerate + "--threads -1", {"--threads"});
  expect_error(kGenerate + "--compute f64", {"--compute", "f64"});
  expect_error(kGenerate + "--temperature -1 --prompt a", {"temperature"});
  expect_error("$F inspect diff only-one", {"b", "fathom inspect diff --help"});
  expect_error("$F info", {"--model", "--config"});
}

TEST_F(CliTest, MissingAndBrokenCheckpointsAreOneLine) {
  for (const std::string command : {"generate --prompt a", "info", "tokenize --text a"}) {
    expect_error("$F " + command + " --model /no/such/folder", {"/no/such/folder"});
  }
  const std::string tiny = copy_of_tiny();
  const std::string shard = tiny + "/model-00001-of-00001.safetensors";
  fs::resize_file(shard, fs::file_size(shard) - 1000);
  for (const std::string command : {"generate --prompt a", "info"}) {
    expect_error("$F " + command + " --model " + tiny, {shard, "truncated"});
  }
  fs::resize_file(shard, 3);
  expect_error("$F info --model " + tiny, {shard, "3 bytes"});
  fs::remove(shard);
  expect_error("$F info --model " + tiny, {shard, "is missing", "model.safetensors.index.json"});
  fs::remove(tiny + "/config.json");
  expect_error("$F info --model " + tiny, {tiny + "/config.json", "No such file"});
}

TEST_F(CliTest, TokensThatAreNoneAreOneLine) {
  const auto refused = [&](std::vector<int32_t> ids, const std::vector<std::string>& says) {
    const auto count = static_cast<int64_t>(ids.size());
    checkpoint::write_safetensors(path("prompts"), {{"P.tokens", Tensor::of({count}, std::move(ids))}});
    expect_error("$F inspect forward --model models/tiny --prompts " + path("prompts") + " -o " + path("result"), says);
    EXPECT_FALSE(fs::exists(path("result")));
  };
  refused({0, 275}, {"275"});
  refused({0, -1}, {"-1"});
  refused({}, {"empty"});
  refused(std::vector<int32_t>(5000, 1), {"5016 with the continuation", "4096"});
  checkpoint::write_safetensors(path("none"), {{"other", Tensor::zeros({1})}});
  expect_error("$F inspect forward --model models/tiny --prompts " + path("none") + " -o " + path("result"),
               {path("none"), "P.tokens"});
}

TEST_F(CliTest, PromptsThatDoNotFitAreOneLine) {
  expect_error(kGenerate + "--context 8 --prompt 'far more than eight tokens of text, surely'", {"prompt", "context"});
  expect_error(kGenerate + "--context 99999999 --prompt a", {"--context", "4096"});
  expect_error(kGenerate + path("no-such-file"), {"no-such-file"});
}

TEST_F(CliTest, AnEmptyTextIsAText) {
  EXPECT_EQ(shell("echo more | $F tokenize --model models/tiny --text ''").out, "\n");
  const std::string options = " -n 3 --temperature 0 --threads 1";
  const Outcome empty = shell("echo more | " + kGenerate + "--prompt ''" + options);
  ASSERT_EQ(empty.code, 0) << empty.err;
  EXPECT_EQ(empty.out, shell(kGenerate + options).out);
  EXPECT_NE(empty.out, shell("echo more | " + kGenerate + options).out);
}

TEST_F(CliTest, BadLinesAreOneLine) {
  const std::string tokenize = " | $F tokenize --model models/tiny ";
  expect_error(R"(printf '{"text":"a"}\n{"text":\n')" + tokenize + "--jsonl", {"line 2", "not valid JSON"});
  expect_error(R"(printf '{"words":"a"}\n')" + tokenize + "--jsonl", {"line 1", "'text'"});
  expect_error(R"(printf '{"ids":[1,"a"]}\n')" + tokenize + "--decode", {"line 1", "ids[1]"});
  expect_error(R"(printf '{"ids":[1,999999]}\n')" + tokenize + "--decode", {"999999"});
  expect_error(R"(printf '{"ids":[1,-5]}\n')" + tokenize + "--decode", {"line 1", "-5"});
}

TEST_F(CliTest, FullDisksAreOneLine) {
  const std::string golden = "tests/goldens/v3/golden.safetensors";
  expect_error("$F inspect forward --model tests/goldens/v3 --prompts " + golden + " -o /dev/full",
               {"/dev/full", "No space left on device"});
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  expect_error(kGenerate + "--prompt a -n 4 >/dev/full", {"standard output", "No space left on device"});
  expect_error("$F info --model models/tiny >/dev/full", {"No space left on device"});
  expect_error("$F tokenize --model models/tiny --text a >/dev/full", {"No space left on device"});
  expect_error("$F --help >/dev/full", {"No space left on device"});
}

TEST_F(CliTest, HelpIsNoError) {
  for (const std::string command : {"", "info", "tokenize", "tokenizer", "tokenizer train", "data", "train", "finetune",
                                    "dashboard", "eval", "export", "render", "generate", "chat", "bench", "inspect",
                                    "inspect forward", "inspect train", "inspect diff"}) {
    const Outcome got = shell("$F " + command + " --help");
    EXPECT_EQ(got.code, 0) << command;
    EXPECT_NE(got.out.find("--help"), std::string::npos) << command;
    EXPECT_EQ(got.err, "") << command;
    if (!command.empty()) {
      EXPECT_NE(got.out.find("Example"), std::string::npos) << command;
    }
  }
  EXPECT_EQ(shell("$F --version").code, 0);
}

TEST_F(CliTest, InfoAgreesWithItself) {
  const Outcome text = shell("$F info --model tests/goldens/v3-mtp");
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* part : {"DeepseekV3ForCausalLM", "parameters", "cache", "MTP           1 module"}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << text.out;
  }
  const Outcome model = shell("$F info --model models/tiny --json");
  ASSERT_EQ(model.code, 0) << model.err;
  const Outcome config = shell("$F info --config models/tiny/config.json --json");
  ASSERT_EQ(config.code, 0) << config.err;
  const json::Value a = json::parse(model.out, "model");
  const json::Value b = json::parse(config.out, "config");
  EXPECT_EQ(a.as_object().at("parameters"), b.as_object().at("parameters"));
  EXPECT_EQ(a.as_object().at("cache_bytes_per_token"), b.as_object().at("cache_bytes_per_token"));
}

TEST_F(CliTest, AGoldenIsItsOwnInput) {
  for (const std::string variant : {"v3-mtp", "v32-dsa"}) {
    const std::string folder = "tests/goldens/" + variant;
    const std::string golden = folder + "/golden.safetensors";
    const Outcome forward = shell("$F inspect forward --model " + folder + " --prompts " + golden + " -o " + path("x"));
    ASSERT_EQ(forward.code, 0) << forward.err;
    const Outcome diff = shell("$F inspect diff " + golden + " " + path("x"));
    EXPECT_EQ(diff.code, 0) << variant << "\n" << diff.out << diff.err;
    EXPECT_NE(diff.out.find("tensors within 0.0001"), std::string::npos) << diff.out;
  }
  expect_error("$F inspect diff tests/goldens/v3/golden.safetensors " + path("x"), {path("x"), "tensors outside"});
}

TEST_F(CliTest, TrainingNumbersStandUnderTheGoldensNames) {
  const std::string folder = "tests/goldens/v3";
  const std::string golden = folder + "/training.safetensors";
  const Outcome train = shell("$F inspect train --model " + folder + " --batches " + golden + " --settings " + folder +
                              "/training.json -o " + path("x"));
  ASSERT_EQ(train.code, 0) << train.err;
  const auto out = checkpoint::SafetensorsFile::open(path("x"));
  const auto expected = checkpoint::SafetensorsFile::open(golden);
  for (const auto& entry : expected->tensors()) {
    EXPECT_TRUE(entry.name.ends_with(".tokens") || out->find(entry.name) != nullptr) << entry.name;
  }
  EXPECT_NE(out->find("loss"), nullptr);
  const std::string begin = "$F inspect train --model " + folder + " -o " + path("x") + " --batches ";
  expect_error(begin + folder + "/golden.safetensors", {"golden.safetensors", "step0.tokens"});
  expect_error("echo '{\"lr\": \"x\"}' >" + path("s") + "; " + begin + golden + " --settings " + path("s"), {"lr"});
}

TEST_F(CliTest, ATrainedTokenizerIsRead) {
  const std::string text = "printf 'the cat and the dog and the bird\\n' >" + path("a.txt") + "; ";
  const Outcome train =
      shell(text + "$F tokenizer train " + path("a.txt") + " LICENSE --vocab-size 400 -o " + path("t"));
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_NE(train.out.find("400 tokens"), std::string::npos) << train.out;
  const Outcome ids = shell("printf 'of the licence' | $F tokenize --pieces --model " + path("t"));
  ASSERT_EQ(ids.code, 0) << ids.err;
  EXPECT_NE(ids.out.find("\" the\""), std::string::npos) << ids.out;
  expect_error("$F tokenizer train LICENSE --vocab-size 9 -o " + path("t"), {"--vocab-size", "276"});
  expect_error("$F tokenizer train nowhere.txt -o " + path("t"), {"nowhere.txt"});
  expect_error("echo '{' >" + path("l.jsonl") + "; $F tokenizer train " + path("l.jsonl") + " -o " + path("t"),
               {"l.jsonl: line 1"});
}

TEST_F(CliTest, DataIsCountedAndBadLinesAreNamed) {
  const std::string lines = "printf '{\"text\":\"one\"}\\n{\"text\":\"one\"}\\n[]\\n' >" + path("l.jsonl") + "; ";
  const std::string data = "$F data " + path("l.jsonl") + " --tokenizer models/tiny -o " + path("d");
  expect_error(lines + data, {"l.jsonl: line 3"});
  const Outcome skipped = shell(lines + data + " --skip-bad");
  ASSERT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_NE(skipped.out.find("3 lines, 0 filtered out, 1 duplicates left out"), std::string::npos) << skipped.out;
  EXPECT_NE(skipped.out.find("1 bad lines skipped"), std::string::npos) << skipped.out;
  EXPECT_TRUE(fs::exists(folder_ / "d" / "train.tokens"));
  expect_error("$F data nowhere.jsonl --tokenizer models/tiny -o " + path("d"), {"nowhere.jsonl"});
}

// The README's first tour with three steps and little text: every command that it shows, and paths that fit.
TEST_F(CliTest, TheQuickstartRuns) {
  const std::string recipe = path("recipes/quickstart/");
  fs::create_directories(recipe);
  fs::copy("recipes/quickstart", recipe, fs::copy_options::recursive);
  const Outcome few = shell("cd " + recipe +
                            " && sed -i 's/^steps = .*/steps = 3/; s/^batch_tokens = .*/batch_tokens = 128/; "
                            "s/^warmup = .*/warmup = 1/; s/^from = .*/from = 2/' train.toml"
                            " && head -n 9 corpus/heldout.jsonl >few && mv few corpus/heldout.jsonl");
  ASSERT_EQ(few.code, 0) << few.err;
  const Outcome tour = shell("FATHOM=$F " + recipe + "run.sh");
  ASSERT_EQ(tour.code, 0) << tour.err << tour.out;
  for (const char* says : {"4096 tokens", "$ fathom train recipes/quickstart/train.toml", "step 3/3", "held out",
                           "bits/byte", "build/quickstart/run/step-00000003", "--prompt \"The Wolf and the Crow\""}) {
    EXPECT_NE(tour.out.find(says), std::string::npos) << says << " is not in\n" << tour.out;
  }
  // Again: what is made is not made anew.
  const Outcome again = shell("FATHOM=$F " + recipe + "run.sh");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out.find("tokenizer train"), std::string::npos) << again.out;
  EXPECT_NE(again.out.find("going on behind step 3"), std::string::npos) << again.out;
}

// The lines of a run's metrics.jsonl without what the clock says.
std::vector<std::string> metrics_of(const std::string& run) {
  std::ifstream in(run + "/metrics.jsonl");
  std::vector<std::string> out;
  std::string line;
  while (std::getline(in, line)) {
    json::Value value = json::parse(line, run);
    value.get_object().erase("tokens_per_second");
    out.push_back(json::dump(value));
  }
  return out;
}

TEST_F(CliTest, AStoppedTrainingGoesOnAsIfItHadNot) {
  const Outcome data = shell("$F data LICENSE --tokenizer models/tiny --piece-bytes 400 -o " + path("d"));
  ASSERT_EQ(data.code, 0) << data.err;
  fs::copy(std::string(kTiny) + "/config.json", path("config.json"));
  for (const std::string run : {"whole", "cut"}) {
    std::ofstream(path(run + ".toml")) << "model = \"config.json\"\nout = \"" << run
                                       << "\"\nsteps = 40\nbatch_tokens = 256\ncontext = 64\nseed = 3\n"
                                          "[schedule]\nwarmup = 2\n[[data]]\npath = \"d/train.tokens\"\n";
  }
  const Outcome whole = shell("$F train --threads 1 " + path("whole.toml"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto expected = metrics_of(path("whole"));
  ASSERT_EQ(expected.size(), 40U);

  const Outcome cut =
      shell("$F train --threads 1 " + path("cut.toml") + " & i=0; while [ ! -s " + path("cut/metrics.jsonl") +
            " ] && [ $i -lt 6000 ]; do sleep 0.01; i=$((i + 1)); done; kill -TERM $!; wait $!");
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_NE(cut.out.find("stopped and saved after step"), std::string::npos) << cut.out;
  const size_t before = metrics_of(path("cut")).size();
  EXPECT_GE(before, 1U);
  EXPECT_LT(before, expected.size());
  EXPECT_TRUE(fs::exists(path("cut/step-") + fmt::format("{:08}", before)));

  const Outcome rest = shell("$F train --threads 1 " + path("cut.toml"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_NE(rest.out.find(fmt::format("going on behind step {}", before)), std::string::npos) << rest.out;
  EXPECT_EQ(metrics_of(path("cut")), expected);
}

TEST_F(CliTest, OneSeedIsOneTextOnAnyNumberOfThreads) {
  const std::string command = kGenerate + "--prompt 'Once upon a time' -n 40 --temperature 1 --seed ";
  const Outcome one = shell(command + "7 --threads 1");
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(shell(command + "7 --threads 2").out, one.out);
  EXPECT_EQ(shell(command + "7 --threads 1 --no-mtp").out, one.out);
  EXPECT_NE(shell(command + "8 --threads 1").out, one.out);
}

TEST_F(CliTest, AChatHasTheToolsThatAreNamed) {
  const std::string chat = " | $F chat --model models/tiny -n 8 --temperature 0 --threads 1 --history '' ";
  const Outcome listed = shell("printf '/tools\\n/tools off\\n/tools\\n'" + chat + "--tools models/helper");
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_NE(listed.out.find("lookup_command  Look up examples"), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("may not call them"), std::string::npos) << listed.out;
  EXPECT_NE(shell("echo /tools" + chat).out.find("there are none"), std::string::npos);
  expect_error("echo hi" + chat + "--tools /no/such/folder", {"/no/such/folder/tools.json"});
  expect_error("echo hi" + chat + "--tools models/helper --chat-template v3", {"v3", "--tools none"});
  const std::string tiny = copy_of_tiny();
  const std::string own = " | $F chat --model " + tiny + " --history '' ";
  std::ofstream(tiny + "/tools.json") << R"([{"tool": "calculator"}])";
  EXPECT_NE(shell("echo /tools" + own).out.find("calculator"), std::string::npos);
  EXPECT_NE(shell("echo /tools" + own + "--tools none").out.find("there are none"), std::string::npos);
  std::ofstream(tiny + "/tools.json") << R"([{"tool": "lookup_command", "pages": "p.jsonl"}])";
  std::ofstream(tiny + "/p.jsonl") << "{\"name\": \"a\", \"page\": \"b\"}\n{\"name\n";
  expect_error("echo hi" + own, {"p.jsonl: line 2"});
}

TEST_F(CliTest, ASavedChatIsReadBack) {
  const std::string chat = " | $F chat --model models/tiny -n 8 --temperature 0 --threads 1 --history '' --tools ";
  const std::string saved =
      R"([{"role":"user","content":"go"},{"role":"assistant","content":"","tool_calls":[{"id":"call_1",)"
      R"("type":"function","function":{"name":"calculator","arguments":"{\"expression\": \"1\"}"}}]},)"
      R"({"role":"tool","content":"1","tool_call_id":"call_1"},{"role":"assistant","content":"one"}])";
  std::ofstream(path("a.json")) << saved;
  const std::string commands = "printf '/load " + path("a.json") + "\\n/save " + path("b.json") + "\\n'";
  const Outcome got = shell(commands + chat + "models/helper");
  ASSERT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(text_of(path("b.json")), saved + "\n");
  const Outcome undone =
      shell("printf '/load " + path("a.json") + "\\n/undo\\n/save " + path("c.json") + "\\n'" + chat + "none");
  ASSERT_EQ(undone.code, 0) << undone.err;
  EXPECT_EQ(text_of(path("c.json")), "[]\n");
}

TEST_F(CliTest, AnInterruptEndsTheAnswer) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  // A pipe of one page: the answer is longer, so the program cannot have ended when the signal comes.
  ASSERT_GT(::fcntl(ends[0], F_SETPIPE_SZ, 4096), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::signal(SIGINT, SIG_DFL);  // a test run in the background has it ignored
    const int err = ::open(path("err").c_str(), O_WRONLY | O_CREAT, 0644);
    ::dup2(err, STDERR_FILENO);
    ::execl(kProgram, "fathom", "generate", "--model", kTiny, "--prompt", "a", "-n", "4000", "--temperature", "1",
            "--seed", "3", "--threads", "1", "--stats", nullptr);
    ::_exit(99);
  }
  ::close(ends[1]);
  char buffer[1024];
  ssize_t got = ::read(ends[0], buffer, 1);
  EXPECT_EQ(got, 1);
  ::kill(child, SIGINT);
  std::string text;
  while ((got = ::read(ends[0], buffer, sizeof(buffer))) > 0) text.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_NE(text_of(path("err")).find("seed: 3"), std::string::npos) << text_of(path("err"));
  EXPECT_EQ(text_of(path("err")).find("error"), std::string::npos) << text_of(path("err"));
}

TEST_F(CliTest, AClosedPipeIsNoCrash) {
  // 141: ended by SIGPIPE, as every filter is. A crash would be 134 or 139.
  for (const std::string& command :
       {kGenerate + "--prompt a -n 300 --seed 1", std::string("$F info --model models/tiny"),
        std::string("$F inspect diff tests/goldens/v3/golden.safetensors tests/goldens/v3/golden.safetensors")}) {
    const Outcome got = shell("{ " + command + "; echo $? >" + path("code") + "; } | head -c 1");
    const std::string code = text_of(path("code"));
    EXPECT_TRUE(code == "0\n" || code == "141\n" || code == "1\n") << command << ": " << code << got.err;
  }
}

}  // namespace
}  // namespace fathom
