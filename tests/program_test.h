#pragma once
// Runs the built program as a user's shell does, in a folder that goes away with the test.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace fathom {

namespace fs = std::filesystem;

inline constexpr const char* kProgram = FATHOM_PROGRAM;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

inline std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() {
    std::string name = (fs::temp_directory_path() / "fathom-cli-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~ProgramTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  // Runs a shell command in which $F is the program; nothing comes from standard input unless it says so.
  Outcome shell(const std::string& command) const {
    const std::string line =
        "F='" + std::string(kProgram) + "'; { " + command + "; } >" + path("out") + " 2>" + path("err") + " </dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(path("out")), text_of(path("err"))};
  }

  void expect_error(const std::string& command, const std::vector<std::string>& says) const {
    const Outcome got = shell(command);
    EXPECT_EQ(got.code, 1) << command;
    EXPECT_TRUE(got.err.starts_with("error: ")) << command << "\n" << got.err;
    EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << command << "\n" << got.err;
    for (const std::string& part : says)
      EXPECT_NE(got.err.find(part), std::string::npos) << got.err << "lacks " << part;
  }

  fs::path folder_;
};

}  // namespace fathom
