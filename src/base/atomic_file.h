#pragma once
// Files that appear whole or not at all: written beside their place, synced, renamed. A full disk or a killed process
// leaves the previous file as it was. A device or a pipe (/dev/stdout) cannot be replaced and is written directly.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace fathom {

class AtomicFile {
 public:
  // Opens `path`.tmp-PID-COUNT for writing. Throws Error(kIo).
  explicit AtomicFile(std::string path);
  // Without commit() the temporary file is removed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws Error(kIo) with the system's reason, for example a full disk.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Syncs the file, moves it into place and syncs the folder.
  void commit();

 private:
  std::string path_;
  std::string target_;     // path_ with links followed
  std::string temporary_;  // empty: path_ is a device or a pipe, written as it is
  int fd_ = -1;
};

}  // namespace fathom
