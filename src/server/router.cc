#include "server/router.h"

#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace fathom::server {
namespace {

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    default:
      return 500;
  }
}

}  // namespace

void Router::add(const std::string& method, const std::string& path, Handler handler) {
  handlers_[path][method] = std::move(handler);
}

Response Router::answer(const Request& request) const {
  const auto methods = handlers_.find(request.path);
  if (methods == handlers_.end()) return error_response(404, "there is nothing at this path");
  const auto handler = methods->second.find(request.method);
  if (handler == methods->second.end()) {
    std::string allowed;
    for (const auto& [method, unused] : methods->second) {
      allowed += (allowed.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
    }
    Response response = error_response(405, "this path takes " + allowed);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  try {
    return handler->second(request);
  } catch (const Error& e) {
    return error_response(status_of(e.code()), e.what());
  } catch (const std::exception& e) {
    log::warning("{} {}: {}", request.method, request.path, e.what());
    return error_response(500, "this request failed");
  }
}

}  // namespace fathom::server
