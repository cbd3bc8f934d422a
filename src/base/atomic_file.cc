#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace fathom {
namespace {

[[noreturn]] void fail_io(const std::string& path, const char* doing) {
  const int reason = errno;
  throw Error(ErrorCode::kIo, fmt::format("{}: {}", doing, std::strerror(reason)), path,
              reason == ENOSPC ? "free some space on that disk" : "");
}

void sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

// Beside `path`; two writers of the same path, in one process or in several, do not meet.
std::string temporary_name(const std::string& path) {
  static std::atomic<uint64_t> count{0};
  return fmt::format("{}.tmp-{}-{}", path, ::getpid(), count++);
}

// A link is followed, so that what it points at is replaced and not the link.
std::string target_of(const std::string& path) {
  std::error_code code;
  const auto target = std::filesystem::canonical(path, code);
  return code ? path : target.string();
}

bool is_special(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  if (std::filesystem::path(path_).filename().empty()) {
    throw Error(ErrorCode::kInvalidArgument, "names no file", path_, "put the file's name behind the folder's");
  }
  if (is_special(path_)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail_io(path_, "cannot open");
    return;
  }
  std::error_code code;
  if (std::filesystem::is_directory(path_, code)) fail(ErrorCode::kIo, path_, "is a folder, expected a file");
  target_ = target_of(path_);
  temporary_ = temporary_name(target_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_io(path_, "cannot create");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io(path_, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty()) {
    if (::fsync(fd_) != 0) fail_io(path_, "cannot sync");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_io(path_, "cannot move into place");
  }
  ::close(fd_);
  fd_ = -1;
  if (!temporary_.empty()) sync_folder(target_);
}

}  // namespace fathom
