#pragma once
// A line on standard error for work that takes longer than a second: "prefill  [=====>    ] 512/2048  118/s  13 s
// left". Nothing is printed when the work is quicker or standard error is no terminal.

#include <chrono>
#include <cstdint>
#include <string>

namespace fathom {

class Progress {
 public:
  // `total` units; 0 when unknown.
  Progress(std::string title, int64_t total);
  // Clears the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done);

 private:
  using Clock = std::chrono::steady_clock;
  std::string title_;
  int64_t total_;
  bool is_terminal_;
  bool is_drawn_ = false;
  Clock::time_point started_;
  Clock::time_point last_drawn_;
};

}  // namespace fathom
