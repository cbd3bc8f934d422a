#pragma once
// Input files of a command, read with a line on standard error that tells how much of them all is done.

#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"

namespace fathom::cli {

class Reading {
 public:
  // Files that are no regular ones, standard input ("-") too, make the whole unknown.
  explicit Reading(const std::vector<std::string>& paths);

  // A stream that counts as it is read; it may not outlive this. Throws Error(kNotFound).
  std::unique_ptr<std::istream> open(const std::string& path);
  std::string whole_text(const std::string& path);

 private:
  friend class CountingBuffer;
  void add(int64_t bytes);

  int64_t bytes_ = 0;
  Progress progress_;
};

}  // namespace fathom::cli
