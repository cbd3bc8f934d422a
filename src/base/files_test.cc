// Mapped and atomic files.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("fathom_files_" + std::to_string(::getpid()) + "_" + info->name());
    fs::create_directories(folder_);
  }
  ~FilesTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void put(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
};

std::optional<Error> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e;
  }
  return std::nullopt;
}

TEST_F(FilesTest, MapsAFile) {
  put("a", "hello");
  const auto file = MappedFile::open(path("a"));
  EXPECT_EQ(file->bytes().size(), 5U);
  EXPECT_EQ(file->bytes()[4], std::byte{'o'});
  EXPECT_EQ(file->path(), path("a"));
  EXPECT_EQ(read_text_file(path("a")), "hello");
  EXPECT_EQ(read_text_file(path("a"), 5), "hello");
  fs::remove(path("a"));
  EXPECT_EQ(file->bytes()[0], std::byte{'h'}) << "the mapping outlives the name";
}

TEST_F(FilesTest, MapsAnEmptyFile) {
  put("empty", "");
  EXPECT_TRUE(MappedFile::open(path("empty"))->bytes().empty());
  EXPECT_EQ(read_text_file(path("empty")), "");
}

TEST_F(FilesTest, NamesWhatCannotBeMapped) {
  const auto missing = error_of([&] { MappedFile::open(path("missing")); });
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->code(), ErrorCode::kNotFound);
  EXPECT_EQ(std::string(missing->what()), path("missing") + ": cannot open: No such file or directory");
  const auto folder = error_of([&] { MappedFile::open(folder_.string()); });
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->code(), ErrorCode::kIo);
  put("big", "123456789");
  const auto big = error_of([&] { read_text_file(path("big"), 8); });
  ASSERT_TRUE(big);
  EXPECT_EQ(big->code(), ErrorCode::kInvalidData);
}

TEST_F(FilesTest, CommitReplacesTheFile) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    file.write("new ");
    EXPECT_EQ(read_text_file(path("a")), "old");
    file.write("text");
    file.commit();
    EXPECT_EQ(read_text_file(path("a")), "new text");
  }
  EXPECT_EQ(read_text_file(path("a")), "new text");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FilesTest, WithoutCommitTheOldFileStays) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    file.write("half");
  }
  EXPECT_EQ(read_text_file(path("a")), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FilesTest, TwoWritersOfOneFileDoNotMix) {
  AtomicFile first(path("a"));
  AtomicFile second(path("a"));
  first.write("first");
  second.write("second!");
  first.commit();
  EXPECT_EQ(read_text_file(path("a")), "first");
  second.commit();
  EXPECT_EQ(read_text_file(path("a")), "second!");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FilesTest, RefusesAFolderThatIsNotThere) {
  const auto error = error_of([&] { AtomicFile(path("no/such")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kIo);
}

TEST_F(FilesTest, CannotMoveOntoAFolder) {
  fs::create_directories(path("dir/inside"));
  const auto error = error_of([&] {
    AtomicFile file(path("dir"));
    file.write("x");
    file.commit();
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kIo);
  EXPECT_TRUE(fs::is_directory(path("dir/inside")));
  EXPECT_EQ(entries(), 1U);
}

// A limit on file sizes stands for a full disk.
TEST_F(FilesTest, FullDiskLeavesTheOldFile) {
  put("a", "old");
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit saved{};
  getrlimit(RLIMIT_FSIZE, &saved);
  rlimit tight = saved;
  tight.rlim_cur = 4096;
  setrlimit(RLIMIT_FSIZE, &tight);
  const auto error = error_of([&] {
    AtomicFile file(path("a"));
    const std::string block(3000, 'x');
    for (int i = 0; i < 10; ++i) file.write(block);
    file.commit();
  });
  setrlimit(RLIMIT_FSIZE, &saved);
  std::signal(SIGXFSZ, before);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kIo);
  EXPECT_EQ(error->where(), path("a"));
  EXPECT_EQ(read_text_file(path("a")), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FilesTest, ALinkIsFollowed) {
  put("real", "old");
  fs::create_symlink(path("real"), path("link"));
  AtomicFile file(path("link"));
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(read_text_file(path("real")), "new");
  EXPECT_EQ(entries(), 2U);
}

TEST_F(FilesTest, ADeviceIsWrittenAndNotReplaced) {
  const auto full = error_of([] {
    AtomicFile file("/dev/full");
    file.write("text");
    file.commit();
  });
  ASSERT_TRUE(full);
  EXPECT_EQ(std::string(full->what()),
            "/dev/full: cannot write: No space left on device (free some space on that disk)");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST_F(FilesTest, AFolderIsNoFileToWrite) {
  EXPECT_TRUE(error_of([&] { AtomicFile file(folder_.string()); }));
  EXPECT_TRUE(error_of([&] { AtomicFile file(folder_.string() + "/"); }));
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace fathom
