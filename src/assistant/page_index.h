#pragma once
// Pages of text by name, from a file with one JSON object a line: {"name", "page"}.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fathom::assistant {

class PageIndex {
 public:
  // Throws Error naming file, line and field.
  static PageIndex load(const std::string& path);
  // The same from text; `where` names it in errors.
  static PageIndex parse(std::string_view text, const std::string& where);

  // The page of that name, or else of the first name that differs only in case, in blanks, dashes and underscores
  // between words, and in blanks around it; null when there is none. Valid as long as the index.
  const std::string* find(std::string_view name) const;

  // At most `count` names like `name`: few letters apart, or with it as their first words; the closest first.
  std::vector<std::string> similar(std::string_view name, size_t count) const;

  size_t size() const { return pages_.size(); }

 private:
  struct Page {
    std::string name;
    std::string key;  // the name folded
    std::string text;
  };

  std::vector<Page> pages_;  // in the file's order
  std::unordered_map<std::string, size_t> by_name_;
  std::unordered_map<std::string, size_t> by_key_;
};

}  // namespace fathom::assistant
