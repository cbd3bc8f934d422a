#pragma once
// Stop strings over streamed text: text that could still become a stop string is held back, and nothing of a stop
// string or behind it is ever given out.

#include <string>
#include <string_view>
#include <vector>

namespace fathom::engine {

class StopMatcher {
 public:
  // Empty strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);

  // Takes the next piece and returns what is certain. After a match it returns nothing more.
  std::string push(std::string_view piece);
  // The held-back rest, when no more text comes.
  std::string finish();

  bool is_stopped() const { return is_stopped_; }
  // The string that matched.
  const std::string& matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string matched_;
  bool is_stopped_ = false;
};

}  // namespace fathom::engine
