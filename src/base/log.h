#pragma once
// Messages about the program's own doing, on standard error. Answers and results go to standard output, never here.

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace fathom::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Messages below `level` are dropped; the default is kInfo.
void set_level(Level level);
void write(Level level, std::string_view text);

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fathom::log
