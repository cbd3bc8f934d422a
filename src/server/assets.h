#pragma once
// Files that are compiled into the program; cmake/embed_files.cmake writes the tables.

#include <span>
#include <string_view>

namespace fathom::server {

struct Asset {
  std::string_view name;  // "index.html"
  std::string_view bytes;
};

// web/dashboard
std::span<const Asset> dashboard_assets();

}  // namespace fathom::server
