#include "checkpoint/tokenizer_files.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;

void copy_file(const std::string& from, const std::string& to) {
  AtomicFile file(to);
  file.write(read_text_file(from));
  file.commit();
}

}  // namespace

void copy_tokenizer_files(const std::string& from, const std::string& to) {
  std::error_code error;
  if (from.empty() || fs::equivalent(from, to, error)) return;
  for (const char* name : {"/tokenizer.json", "/tiktoken.model", "/tokenizer_config.json", "/chat_template.jinja",
                           "/generation_config.json"}) {
    if (fs::exists(from + name, error)) copy_file(from + name, to + name);
  }
  const std::string encoding = "/encoding";
  if (!fs::is_directory(from + encoding, error)) return;
  fs::create_directories(to + encoding, error);
  if (error) fail(ErrorCode::kIo, to + encoding, "cannot create: {}", error.message());
  for (const auto& entry : fs::directory_iterator(from + encoding, error)) {
    if (!entry.is_regular_file(error)) continue;
    copy_file(entry.path().string(), to + encoding + "/" + entry.path().filename().string());
  }
}

}  // namespace fathom::checkpoint
