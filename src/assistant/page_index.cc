#include "assistant/page_index.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace fathom::assistant {
namespace {

// Longer ones are no names, and the distance to one takes time.
constexpr size_t kMostNameBytes = 100;

bool is_between_words(char c) { return c == ' ' || c == '-' || c == '_' || c == '\t' || c == '\n'; }

// Lower case, one dash between words.
std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (!is_between_words(c)) {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  if (out.ends_with('-') && out.size() > 1) out.pop_back();
  return out;
}

// Insertions, deletions, changes and swaps of neighbours that lead from one to the other (optimal string alignment).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

PageIndex PageIndex::load(const std::string& path) { return parse(read_text_file(path), path); }

PageIndex PageIndex::parse(std::string_view text, const std::string& where) {
  PageIndex out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string place = fmt::format("{}: line {}", where, number);
    const json::Value value = json::parse(line, place);
    const json::Reader json(value, place);
    Page page;
    page.name = std::string(json.get("name").as_string());
    page.text = std::string(json.get("page").as_string());
    page.key = folded(page.name);
    if (!out.by_name_.emplace(page.name, out.pages_.size()).second) {
      fail(ErrorCode::kInvalidData, place, "has a second page '{}', expected one of each name", page.name);
    }
    out.by_key_.emplace(page.key, out.pages_.size());  // the first one stays
    out.pages_.push_back(std::move(page));
  }
  return out;
}

const std::string* PageIndex::find(std::string_view name) const {
  const auto exact = by_name_.find(std::string(name));
  if (exact != by_name_.end()) return &pages_[exact->second].text;
  const auto alike = by_key_.find(folded(name));
  return alike == by_key_.end() ? nullptr : &pages_[alike->second].text;
}

std::vector<std::string> PageIndex::similar(std::string_view name, size_t count) const {
  const std::string key = folded(name.substr(0, kMostNameBytes));
  if (key.empty()) return {};
  // One letter of three may be wrong. A name that only goes on comes behind those.
  const size_t most = std::max<size_t>(1, key.size() / 3);
  std::vector<std::pair<size_t, const Page*>> found;
  for (const Page& page : pages_) {
    const bool goes_on = page.key.starts_with(key + "-");
    const size_t difference =
        page.key.size() > key.size() ? page.key.size() - key.size() : key.size() - page.key.size();
    const size_t apart = difference > most ? most + 1 : distance(key, page.key);
    if (apart <= most || goes_on) found.emplace_back(std::min(apart, most + 1), &page);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(count, found.size()); ++i) out.push_back(found[i].second->name);
  return out;
}

}  // namespace fathom::assistant
