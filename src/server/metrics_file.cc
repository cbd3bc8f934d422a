#include "server/metrics_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

namespace fathom::server {
namespace {

namespace fs = std::filesystem;

// Bytes before an offset that its mark is made of: more than a line's step, tokens and loss take.
constexpr uint64_t kMarkBytes = 512;
constexpr uint64_t kLongestLine = uint64_t{64} << 20;
constexpr uint64_t kLoadBytes = uint64_t{8} << 20;
constexpr std::array kColumns = {
    "step",          "tokens",        "loss",          "mtp_loss",     "heldout_loss", "accuracy",         "balance",
    "max_violation", "gradient_norm", "learning_rate", "batch_tokens", "context",      "tokens_per_second"};
constexpr std::array kFlags = {"spike", "skipped"};

class MetricsFile {
 public:
  explicit MetricsFile(const std::string& path) : path_(path), in_(path, std::ios::binary) {
    if (!in_) return;
    in_.seekg(0, std::ios::end);
    size_ = static_cast<uint64_t>(std::max<std::streamoff>(0, in_.tellg()));
  }

  bool is_open() const { return in_.is_open(); }
  uint64_t size() const { return size_; }

  // Bytes [begin, end), fewer when the file has just shrunk.
  std::string read(uint64_t begin, uint64_t end) {
    std::string bytes(end - begin, '\0');
    in_.clear();
    in_.seekg(static_cast<std::streamoff>(begin));
    in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, in_.gcount())));
    return bytes;
  }

  std::string mark_at(uint64_t offset) {
    return fmt::format("{:016x}", hash64(read(offset - std::min(offset, kMarkBytes), offset), offset));
  }

  bool fits(const MetricsPosition& position) {
    if (position.offset == 0) return true;
    return position.offset <= size_ && mark_at(position.offset) == position.mark;
  }

  // Complete lines from `offset` on, about `bytes` of them.
  std::string lines_from(uint64_t offset, uint64_t bytes) {
    for (;;) {
      std::string text = read(offset, std::min(size_, offset + bytes));
      const size_t end = text.rfind('\n');
      if (end != std::string::npos) {
        text.resize(end + 1);
        return text;
      }
      if (offset + bytes >= size_) return "";
      if (bytes >= kLongestLine) fail(ErrorCode::kInvalidData, path_, "a line at {} does not end", offset);
      bytes *= 2;
    }
  }

  std::string age() const {
    std::error_code error;
    const auto written = fs::last_write_time(path_, error);
    if (error) return "null";
    const std::chrono::duration<double> age = fs::file_time_type::clock::now() - written;
    return fmt::format("{:.1f}", std::max(0.0, age.count()));
  }

 private:
  std::string path_;
  std::ifstream in_;
  uint64_t size_ = 0;
};

// Calls visit(offset, object) for each line that holds a step.
template <typename Visit>
void for_each_step(std::string_view text, uint64_t offset, const Visit& visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    try {
      const json::Value value = json::parse(text.substr(0, end + 1), "metrics");
      const json::Object* line = value.if_object();
      const json::Value* step = line != nullptr ? line->if_contains("step") : nullptr;
      if (step != nullptr && step->is_number()) visit(offset, *line);
    } catch (const Error&) {
      // A process that was killed left half a line.
    }
    text.remove_prefix(end + 1);
    offset += end + 1;
  }
}

std::optional<double> number(const json::Object& line, std::string_view name) {
  const json::Value* value = line.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

bool is_set(const json::Object& line, std::string_view name) {
  const json::Value* value = line.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// Whole numbers as they are, others to the digits that a plot can show.
std::string column_text(std::optional<double> value) {
  if (!value) return "null";
  return *value == static_cast<double>(static_cast<int64_t>(std::clamp(*value, -1e15, 1e15)))
             ? fmt::format("{:.0f}", *value)
             : fmt::format("{:.6g}", *value);
}

class LoadSum {
 public:
  // Lines of another shape than the first are left out.
  void add(const json::Object& line) {
    const json::Value* load = line.if_contains("expert_load");
    if (load == nullptr || !load->is_object() || load->get_object().empty()) return;
    std::map<int64_t, std::vector<double>> step;
    for (const auto& [name, counts] : load->get_object()) {
      int64_t layer = 0;
      if (std::from_chars(name.data(), name.data() + name.size(), layer).ec != std::errc() || !counts.is_array())
        return;
      for (const json::Value& count : counts.get_array()) {
        if (!count.is_number()) return;
        step[layer].push_back(count.to_number<double>());
      }
    }
    if (steps_ > 0 && !has_shape_of(step)) return;
    for (const auto& [layer, counts] : step) {
      auto& sum = sum_[layer];
      sum.resize(counts.size());
      for (size_t e = 0; e < counts.size(); ++e) sum[e] += counts[e];
    }
    last_ = number(line, "step").value_or(0);
    if (steps_++ == 0) first_ = last_;
  }

  std::string dump() const {
    std::string layers;
    std::string load;
    for (const auto& [layer, sum] : sum_) {
      double total = 0;
      for (const double n : sum) total += n;
      const double mean = total > 0 ? total / static_cast<double>(sum.size()) : 1;
      std::string row;
      for (const double n : sum) row += fmt::format("{}{:.4g}", row.empty() ? "" : ",", n / mean);
      layers += fmt::format("{}{}", layers.empty() ? "" : ",", layer);
      load += fmt::format("{}[{}]", load.empty() ? "" : ",", row);
    }
    return fmt::format(R"({{"first":{:.0f},"last":{:.0f},"steps":{},"layers":[{}],"load":[{}]}})", first_, last_,
                       steps_, layers, load);
  }

 private:
  bool has_shape_of(const std::map<int64_t, std::vector<double>>& step) const {
    return std::equal(sum_.begin(), sum_.end(), step.begin(), step.end(), [](const auto& a, const auto& b) {
      return a.first == b.first && a.second.size() == b.second.size();
    });
  }

  std::map<int64_t, std::vector<double>> sum_;
  int64_t steps_ = 0;
  double first_ = 0;
  double last_ = 0;
};

}  // namespace

std::string read_metrics(const std::string& path, const MetricsPosition& from, uint64_t chunk_bytes) {
  MetricsFile file(path);
  const bool is_reset = !file.fits(from);
  const uint64_t begin = is_reset ? 0 : from.offset;
  const std::string text = file.is_open() ? file.lines_from(begin, chunk_bytes) : "";
  const uint64_t end = begin + text.size();

  std::string at;
  std::array<std::string, kColumns.size() + kFlags.size()> columns;
  int64_t steps = 0;
  for_each_step(text, begin, [&](uint64_t offset, const json::Object& line) {
    const char* comma = steps++ > 0 ? "," : "";
    at += fmt::format("{}{}", comma, offset);
    for (size_t i = 0; i < kColumns.size(); ++i) columns[i] += comma + column_text(number(line, kColumns[i]));
    for (size_t i = 0; i < kFlags.size(); ++i)
      columns[kColumns.size() + i] += fmt::format("{}{:d}", comma, is_set(line, kFlags[i]));
  });

  std::string out =
      fmt::format(R"({{"reset":{},"offset":{},"mark":"{}","more":{},"age":{},"steps":{},"columns":{{)", is_reset, end,
                  file.is_open() ? file.mark_at(end) : "", !text.empty() && end < file.size(), file.age(), steps);
  out += fmt::format(R"("at":[{}])", at);
  for (size_t i = 0; i < columns.size(); ++i) {
    out += fmt::format(R"(,"{}":[{}])", i < kColumns.size() ? kColumns[i] : kFlags[i - kColumns.size()], columns[i]);
  }
  return out + "}}";
}

std::string read_expert_load(const std::string& path, uint64_t begin, uint64_t end) {
  MetricsFile file(path);
  if (!file.is_open()) fail(ErrorCode::kNotFound, path, "is not there");
  end = std::min(end, file.size());
  begin = std::min(begin, end);
  // A line of a large model takes some hundred kilobytes; the page asks for averages over a few dozen.
  const bool is_cut = end - begin > kLoadBytes;
  if (is_cut) begin = end - kLoadBytes;
  std::string text = file.read(begin, end);
  if (is_cut) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  LoadSum sum;
  for_each_step(text, begin, [&](uint64_t, const json::Object& line) { sum.add(line); });
  return sum.dump();
}

}  // namespace fathom::server
