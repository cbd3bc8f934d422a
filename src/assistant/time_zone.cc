#include "assistant/time_zone.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace fathom::assistant {
namespace {

constexpr size_t kHeaderBytes = 44;
// Offsets of a day and more are no offsets (RFC 8536: at most 26 hours, which no place uses).
constexpr int64_t kMostOffset = 26 * 3600;

// Big-endian numbers in order; every read is checked.
class Bytes {
 public:
  Bytes(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::string_view take(size_t count) {
    if (count > bytes_.size()) fail(ErrorCode::kInvalidData, where_, "ends too early, expected {} bytes more", count);
    const std::string_view out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return out;
  }
  int64_t number(size_t count) {
    uint64_t out = 0;
    for (const char c : take(count)) out = out << 8 | static_cast<unsigned char>(c);
    return count == 4 ? static_cast<int32_t>(out) : static_cast<int64_t>(out);
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
  const std::string& where_;
};

struct Header {
  size_t is_ut = 0;
  size_t is_standard = 0;
  size_t leaps = 0;
  size_t times = 0;
  size_t types = 0;
  size_t chars = 0;
};

Header read_header(Bytes& in, const std::string& where) {
  const std::string_view begin = in.take(kHeaderBytes - 24);
  if (!begin.starts_with("TZif") || begin[4] < '2') {
    fail(ErrorCode::kInvalidData, where, "is no time zone file of version 2 or later");
  }
  Header out;
  for (size_t* count : {&out.is_ut, &out.is_standard, &out.leaps, &out.times, &out.types, &out.chars}) {
    *count = static_cast<size_t>(in.number(4)) & 0xffffffff;
  }
  return out;
}

}  // namespace

TimeZone TimeZone::parse(std::string_view bytes, const std::string& where) {
  Bytes in(bytes, where);
  // The first block is for readers of 32-bit times.
  const Header old = read_header(in, where);
  in.take(old.times * 5 + old.types * 6 + old.chars + old.leaps * 8 + old.is_standard + old.is_ut);
  const Header header = read_header(in, where);
  TimeZone out;
  Bytes times(in.take(header.times * 8), where);
  Bytes chosen(in.take(header.times), where);
  Bytes types(in.take(header.types * 6), where);
  in.take(header.chars + header.leaps * 12 + header.is_standard + header.is_ut);
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < header.types; ++i) {
    offsets.push_back(types.number(4));
    types.take(2);
    if (std::abs(offsets.back()) > kMostOffset) fail(ErrorCode::kInvalidData, where, "has an offset past a day");
  }
  if (offsets.empty()) fail(ErrorCode::kInvalidData, where, "has no offset");
  out.first_offset_ = offsets[0];
  for (size_t i = 0; i < header.times; ++i) {
    out.times_.push_back(times.number(8));
    const auto type = static_cast<size_t>(chosen.number(1));
    if (type >= offsets.size()) fail(ErrorCode::kInvalidData, where, "names offset {} of {}", type, offsets.size());
    out.offsets_.push_back(offsets[type]);
  }
  if (!std::is_sorted(out.times_.begin(), out.times_.end())) fail(ErrorCode::kInvalidData, where, "is out of order");
  const std::string_view footer = in.rest();
  if (footer.size() >= 2 && footer.front() == '\n' && footer.back() == '\n') {
    out.rule_ = ZoneRule::parse(footer.substr(1, footer.size() - 2));
  }
  return out;
}

int64_t TimeZone::offset_at(int64_t unix_seconds) const {
  const auto after = std::upper_bound(times_.begin(), times_.end(), unix_seconds);
  if (after == times_.end() && rule_) return rule_->offset_at(unix_seconds);
  return after == times_.begin() ? first_offset_ : offsets_[static_cast<size_t>(after - times_.begin()) - 1];
}

}  // namespace fathom::assistant
