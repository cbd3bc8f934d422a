#pragma once
// What a handler sees of a request and what it answers. The library that speaks HTTP stays out of sight (listener.cc).

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::server {

struct Request {
  std::string method;                             // a HEAD arrives as a GET; the listener leaves the body away
  std::string path;                               // decoded, begins with '/'
  std::map<std::string, std::string> query = {};  // decoded; of a name that comes twice the last one
  std::string body = {};
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// {"error": {"message": ..., "code": status}}, the form that clients of the API know.
Response error_response(int status, std::string_view message);

struct Target {
  std::string path;
  std::map<std::string, std::string> query = {};
};

// Splits and decodes a request's target ("/a%20b?x=1"). Nothing for one that does not begin with '/', holds a broken
// escape, or a control character, escaped or not.
[[nodiscard]] std::optional<Target> parse_target(std::string_view target);

}  // namespace fathom::server
