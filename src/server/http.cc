#include "server/http.h"

#include "base/json.h"

namespace fathom::server {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { kIsPlus, kIsSpace };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus == Plus::kIsSpace) c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return std::nullopt;
    out += c;
  }
  return out;
}

}  // namespace

Response error_response(int status, std::string_view message) {
  const json::Value body = json::Object{{"error", json::Object{{"message", message}, {"code", status}}}};
  return {.status = status, .body = json::dump(body)};
}

std::optional<Target> parse_target(std::string_view target) {
  if (target.empty() || target.front() != '/') return std::nullopt;
  const size_t mark = target.find('?');
  const auto path = decode(target.substr(0, mark), Plus::kIsPlus);
  if (!path) return std::nullopt;
  Target out = {.path = *path};
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    const size_t equals = pair.find('=');
    const auto name = decode(pair.substr(0, equals), Plus::kIsSpace);
    const auto value = decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), Plus::kIsSpace);
    if (!name || !value) return std::nullopt;
    if (!name->empty()) out.query[*name] = *value;
  }
  return out;
}

}  // namespace fathom::server
