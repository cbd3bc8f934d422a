#include "cli/reading.h"

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/mapped_file.h"

namespace fathom::cli {

// Counts what the file hands over, a buffer at a time.
class CountingBuffer : public std::filebuf {
 public:
  explicit CountingBuffer(Reading& reading) : reading_(reading) {}

 protected:
  int_type underflow() override {
    const int_type first = std::filebuf::underflow();
    if (first != traits_type::eof()) reading_.add(egptr() - gptr());
    return first;
  }

 private:
  Reading& reading_;
};

namespace {

constexpr int64_t kUnit = 1000;

class CountingStream : public std::istream {
 public:
  explicit CountingStream(Reading& reading) : std::istream(nullptr), buffer_(reading) { rdbuf(&buffer_); }
  bool open(const std::string& path) { return buffer_.open(path, std::ios::in | std::ios::binary) != nullptr; }

 private:
  CountingBuffer buffer_;
};

// In units; 0 when a file has no size.
int64_t total_of(const std::vector<std::string>& paths) {
  int64_t bytes = 0;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return 0;
    bytes += static_cast<int64_t>(std::filesystem::file_size(path, error));
  }
  return bytes / kUnit;
}

}  // namespace

Reading::Reading(const std::vector<std::string>& paths) : progress_("reading, kB", total_of(paths)) {}

std::unique_ptr<std::istream> Reading::open(const std::string& path) {
  auto stream = std::make_unique<CountingStream>(*this);
  if (!stream->open(path)) fail(ErrorCode::kNotFound, path, "cannot open");
  return stream;
}

std::string Reading::whole_text(const std::string& path) {
  std::string text = read_text_file(path);
  add(static_cast<int64_t>(text.size()));
  return text;
}

void Reading::add(int64_t bytes) {
  bytes_ += bytes;
  progress_.update(bytes_ / kUnit);
}

}  // namespace fathom::cli
