#include "cli/train_view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace fathom::cli {
namespace {

constexpr auto kLineTime = std::chrono::seconds(1);
constexpr auto kRedrawTime = std::chrono::milliseconds(200);
constexpr size_t kKeptLosses = 4096;
constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

int terminal_width() {
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::clamp<int>(size.ws_col, 40, 160);
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

// Means of `width` equal parts of the values, between their least and largest.
std::string sparkline(const std::deque<double>& values, int width) {
  if (values.empty()) return "";
  std::vector<double> means;
  const auto parts = std::min<size_t>(static_cast<size_t>(width), values.size());
  for (size_t p = 0; p < parts; ++p) {
    const size_t begin = p * values.size() / parts;
    const size_t end = (p + 1) * values.size() / parts;
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += values[i];
    means.push_back(sum / static_cast<double>(end - begin));
  }
  const auto [least, most] = std::minmax_element(means.begin(), means.end());
  const double range = std::max(*most - *least, 1e-9);
  std::string out;
  for (const double mean : means) out += kLevels[static_cast<size_t>((mean - *least) / range * 7.999)];
  return out;
}

// A cell for every expert: empty at no load, full at twice the mean.
std::string load_bar(const std::vector<int64_t>& load, int width) {
  int64_t total = 0;
  for (const int64_t n : load) total += n;
  const double mean = std::max(1.0, static_cast<double>(total) / static_cast<double>(load.size()));
  std::string out;
  for (size_t e = 0; e < load.size() && static_cast<int>(e) < width; ++e) {
    const double level = static_cast<double>(load[e]) / mean * 4;
    out += load[e] == 0 ? " " : kLevels[static_cast<size_t>(std::clamp(level, 0.0, 7.0))];
  }
  return out;
}

std::string skipped_text(const train::StepReport& r) {
  const std::string why =
      r.is_finite ? fmt::format("loss {:.3f} stands out", r.loss) : "loss or gradient is not finite";
  const std::string heldout = r.heldout_loss ? fmt::format("  held out {:.4f}", *r.heldout_loss) : "";
  return fmt::format("step {} skipped: {}{}", r.step, why, heldout);
}

}  // namespace

TrainView::TrainView(std::string title, double flops_per_token, double peak)
    : title_(std::move(title)),
      flops_per_token_(flops_per_token),
      peak_(peak),
      is_terminal_(::isatty(STDOUT_FILENO) == 1) {}

double TrainView::seconds_left(const train::StepReport& r) const {
  return static_cast<double>(r.steps - r.step) * static_cast<double>(r.batch_tokens) /
         std::max(tokens_per_second_, 1e-9);
}

std::string TrainView::peak_text(double tokens_per_second) const {
  if (peak_ <= 0) return "";
  return fmt::format("{:.0f} % of peak", 100 * tokens_per_second * flops_per_token_ / peak_);
}

void TrainView::show(const train::StepReport& r) {
  if (r.heldout_loss) heldout_ = *r.heldout_loss;
  if (r.is_skipped) return note(skipped_text(r));
  if (r.is_spike) note(fmt::format("step {}: loss {:.3f} stands out", r.step, r.loss));
  tokens_per_second_ =
      tokens_per_second_ == 0 ? r.tokens_per_second : 0.9 * tokens_per_second_ + 0.1 * r.tokens_per_second;
  losses_.push_back(r.loss);
  if (losses_.size() > kKeptLosses) losses_.pop_front();
  const auto now = Clock::now();
  const bool is_due = now - last_ >= (is_terminal_ ? Clock::duration(kRedrawTime) : Clock::duration(kLineTime));
  if (!is_due && r.step != r.steps && (is_terminal_ || !r.heldout_loss)) return;
  last_ = now;
  if (is_terminal_) {
    draw(r);
  } else {
    print_line(r);
  }
  std::fflush(stdout);
}

void TrainView::note(const std::string& line) {
  erase();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void TrainView::erase() {
  if (drawn_lines_ > 0) fmt::print("\033[{}A\033[J", drawn_lines_);
  drawn_lines_ = 0;
}

void TrainView::print_line(const train::StepReport& r) const {
  fmt::print(
      "step {}/{}  loss {:.4f}{}  accuracy {:.1f} %  gradient {:.2f}  rate {:.2e}  MaxVio {:.2f}  {:.0f} tokens/s{}"
      "  {} left{}\n",
      r.step, r.steps, r.loss, r.mtp_loss ? fmt::format("  mtp {:.4f}", *r.mtp_loss) : "", 100 * r.accuracy,
      r.gradient_norm, r.learning_rate, r.max_violation, r.tokens_per_second,
      peak_ > 0 ? "  " + peak_text(r.tokens_per_second) : "", duration(seconds_left(r)),
      r.heldout_loss ? fmt::format("  held out {:.4f}", *r.heldout_loss) : "");
}

void TrainView::draw(const train::StepReport& r) {
  erase();
  const int width = terminal_width();
  const auto line = [&](const std::string& text) {
    fmt::print("{}\n", text);
    ++drawn_lines_;
  };
  const int bar = width - 30;
  const auto filled = static_cast<int>(r.step * bar / std::max<int64_t>(1, r.steps));
  line(fmt::format("\033[1m{}\033[0m", title_));
  line(fmt::format("step {:>7}/{:<7} {}{}", r.step, r.steps, fmt::format("{:█<{}}", "", filled),
                   fmt::format("{:░<{}}", "", bar - filled)));
  line(fmt::format("loss      {:.4f}{}{}   accuracy {:.1f} %", r.loss,
                   r.mtp_loss ? fmt::format("   mtp {:.4f}", *r.mtp_loss) : "",
                   heldout_ > 0 ? fmt::format("   held out {:.4f}", heldout_) : "", 100 * r.accuracy));
  line("          " + sparkline(losses_, width - 12));
  line(fmt::format("speed     {:.0f} tokens/s   {}   {} left", tokens_per_second_, peak_text(tokens_per_second_),
                   duration(seconds_left(r))));
  line(fmt::format("gradient  {:.3f}   learning rate {:.2e}   batch {}   context {}", r.gradient_norm, r.learning_rate,
                   r.batch_tokens, r.context));
  if (r.expert_load.empty()) return;
  line(fmt::format("experts   MaxVio {:.2f}   (load of each, half height is the mean)", r.max_violation));
  for (const auto& [layer, load] : r.expert_load) {
    line(fmt::format("  {:>6}  {}", fmt::format("L{}", layer), load_bar(load, width - 12)));
  }
}

}  // namespace fathom::cli
