#pragma once
// What a run shows while it trains: a panel that is redrawn on a terminal, a line about every second elsewhere.

#include <chrono>
#include <deque>
#include <string>

#include "train/trainer.h"

namespace fathom::cli {

class TrainView {
 public:
  // `flops_per_token`: of forward and backward pass; `peak`: operations a second that the machine reaches at its best,
  // 0 when it is not known.
  TrainView(std::string title, double flops_per_token, double peak);

  void show(const train::StepReport& report);
  // Says something below what was shown so far; the panel is drawn anew underneath.
  void note(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;

  void draw(const train::StepReport& report);
  void print_line(const train::StepReport& report) const;
  void erase();
  double seconds_left(const train::StepReport& report) const;
  std::string peak_text(double tokens_per_second) const;

  std::string title_;
  double flops_per_token_;
  double peak_;
  bool is_terminal_;
  int drawn_lines_ = 0;
  Clock::time_point last_;
  std::deque<double> losses_;  // the last ones, oldest first
  double heldout_ = 0;
  double tokens_per_second_ = 0;  // a running mean
};

}  // namespace fathom::cli
