#include "server/dashboard.h"

#include <charconv>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "server/assets.h"
#include "server/metrics_file.h"

namespace fathom::server {
namespace {

namespace fs = std::filesystem;

// Nothing of another origin is loaded, run or sent to, and no other page may frame this one.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string content_type(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

uint64_t whole_number(const Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) throw Error(ErrorCode::kInvalidArgument, "is missing", name);
  const std::string& text = found->second;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // Offsets stay within what a JavaScript number holds exactly.
  if (error != std::errc() || end != text.data() + text.size() || value > (uint64_t{1} << 53)) {
    throw Error(ErrorCode::kInvalidArgument, "is no whole number", name);
  }
  return value;
}

const DashboardRun& run_of(const Request& request, const std::vector<DashboardRun>& runs) {
  const uint64_t index = whole_number(request, "run");
  if (index >= runs.size()) throw Error(ErrorCode::kNotFound, "there is no such run", "run");
  return runs[index];
}

Response json_response(std::string body) {
  return {.body = std::move(body), .headers = {{"Cache-Control", "no-store"}}};
}

Response list_runs(const std::vector<DashboardRun>& runs) {
  json::Array list;
  for (const DashboardRun& run : runs) list.push_back(json::Object{{"name", run.name}, {"path", run.metrics}});
  return json_response(json::dump(list));
}

// The last `parts` names of a path: "a/b" of "/x/a/b".
std::string tail(const fs::path& path, int parts) {
  fs::path name;
  fs::path rest = path;
  for (int i = 0; i < parts && rest.has_filename(); ++i) {
    name = name.empty() ? rest.filename() : rest.filename() / name;
    rest = rest.parent_path();
  }
  return name.string();
}

}  // namespace

std::vector<DashboardRun> dashboard_runs(const std::vector<std::string>& paths) {
  std::vector<DashboardRun> runs;
  std::vector<fs::path> folders;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::path whole = fs::canonical(path, error);
    if (error) fail(ErrorCode::kNotFound, path, "cannot open: {}", error.message());
    const bool is_folder = fs::is_directory(whole, error);
    folders.push_back(is_folder ? whole : whole.parent_path());
    runs.push_back({"", (is_folder ? whole / "metrics.jsonl" : whole).string()});
  }
  constexpr int kMostParts = 8;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (int parts = 1; parts <= kMostParts; ++parts) {
      runs[i].name = tail(folders[i], parts);
      size_t same = 0;
      for (const fs::path& folder : folders) same += tail(folder, parts) == runs[i].name ? 1 : 0;
      if (same == 1) break;
    }
  }
  return runs;
}

Router dashboard_routes(const std::vector<DashboardRun>& runs) {
  Router router;
  for (const Asset& asset : dashboard_assets()) {
    const std::string name(asset.name);
    router.add("GET", name == "index.html" ? "/" : "/" + name, [asset](const Request&) {
      return Response{.content_type = content_type(asset.name),
                      .body = std::string(asset.bytes),
                      .headers = {{"Cache-Control", "no-cache"},
                                  {"Content-Security-Policy", kContentPolicy},
                                  {"Referrer-Policy", "no-referrer"}}};
    });
  }
  router.add("GET", "/api/runs", [runs](const Request&) { return list_runs(runs); });
  router.add("GET", "/api/metrics", [runs](const Request& request) {
    const auto mark = request.query.find("mark");
    const MetricsPosition from = {whole_number(request, "offset"), mark == request.query.end() ? "" : mark->second};
    return json_response(read_metrics(run_of(request, runs).metrics, from));
  });
  router.add("GET", "/api/experts", [runs](const Request& request) {
    return json_response(
        read_expert_load(run_of(request, runs).metrics, whole_number(request, "begin"), whole_number(request, "end")));
  });
  return router;
}

}  // namespace fathom::server
