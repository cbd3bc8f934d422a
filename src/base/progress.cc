#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace fathom {
namespace {

constexpr auto kQuietTime = std::chrono::seconds(1);
constexpr auto kRedrawTime = std::chrono::milliseconds(100);
constexpr int kBarWidth = 24;

}  // namespace

Progress::Progress(std::string title, int64_t total)
    : title_(std::move(title)),
      total_(total),
      is_terminal_(::isatty(STDERR_FILENO) == 1),
      started_(Clock::now()),
      last_drawn_(started_) {}

Progress::~Progress() {
  if (is_drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::update(int64_t done) {
  if (!is_terminal_) return;
  const auto now = Clock::now();
  if (now - started_ < kQuietTime || now - last_drawn_ < kRedrawTime) return;
  last_drawn_ = now;
  is_drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const double rate = static_cast<double>(done) / seconds;
  std::string line;
  if (total_ > 0) {
    const int filled = static_cast<int>(std::clamp<int64_t>(done * kBarWidth / total_, 0, kBarWidth));
    const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
    line = fmt::format("\r\033[K{}  [{:=<{}}{: <{}}] {}/{}  {:.1f}/s  {:.0f} s left", title_, "", filled, "",
                       kBarWidth - filled, done, total_, rate, left);
  } else {
    line = fmt::format("\r\033[K{}  {}  {:.1f}/s", title_, done, rate);
  }
  std::fputs(line.c_str(), stderr);
}

}  // namespace fathom
