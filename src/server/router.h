#pragma once
// The table from method and path to the function that answers.

#include <functional>
#include <map>
#include <string>

#include "server/http.h"

namespace fathom::server {

// Runs on the listener's thread, which every connection waits for meanwhile. An Error that it throws becomes the
// answer: 400 for what the client got wrong, 404 for what is not there, else 500.
using Handler = std::function<Response(const Request&)>;

class Router {
 public:
  // Paths match as a whole: no request names a file, so none can climb out of a folder.
  void add(const std::string& method, const std::string& path, Handler handler);

  // 404 for an unknown path, 405 with `Allow` for a known one with another method. Throws nothing of the handler's.
  Response answer(const Request& request) const;

 private:
  std::map<std::string, std::map<std::string, Handler>> handlers_;  // by path, then by method
};

}  // namespace fathom::server
