#pragma once
// The page that shows runs while they train.

#include <string>
#include <vector>

#include "server/router.h"

namespace fathom::server {

struct DashboardRun {
  std::string name;     // the folder's
  std::string metrics;  // path of metrics.jsonl, which may yet have to be written
};

// Runs from what was named: folders or files of metrics. Where two have one name, they are told apart by the folders
// above. Throws Error(kNotFound) for a path that does not exist.
std::vector<DashboardRun> dashboard_runs(const std::vector<std::string>& paths);

// GET /             the page and its files
// GET /api/runs     [{"name", "path"}]
// GET /api/metrics  ?run=0&offset=0&mark=   see read_metrics()
// GET /api/experts  ?run=0&begin=0&end=9    see read_expert_load()
// Runs go by their number in `runs`: a request cannot name a file.
Router dashboard_routes(const std::vector<DashboardRun>& runs);

}  // namespace fathom::server
