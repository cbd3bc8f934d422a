#pragma once
// A whole file mapped read-only. Pages become resident when they are touched, so opening costs the same for a megabyte
// and a terabyte.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace fathom {

class MappedFile {
 public:
  // Throws Error: kNotFound, kIo (named, with the system's reason). An empty file maps to an empty span.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size) : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  const std::byte* data_;
  size_t size_;
};

// The whole text of a file. Throws Error as MappedFile::open, and kInvalidData when it is larger than `max_bytes`.
std::string read_text_file(const std::string& path, size_t max_bytes = size_t{256} << 20);

}  // namespace fathom
