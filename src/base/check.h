#pragma once
// Invariants of our own code. They stay on in release builds, print the values and end the process; outside data never
// reaches them, because it was refused with an Error before.

#include <fmt/format.h>

#include <string>

namespace fathom {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);
}  // namespace fathom

#define FATHOM_CHECK(condition)                                                   \
  do {                                                                            \
    if (!(condition)) ::fathom::check_failed(__FILE__, __LINE__, #condition, ""); \
  } while (false)

// FATHOM_CHECK_MSG(a == b, "a {} b {}", a, b)
#define FATHOM_CHECK_MSG(condition, ...)                                                                \
  do {                                                                                                  \
    if (!(condition)) ::fathom::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define FATHOM_DCHECK(condition) \
  do {                           \
  } while (false)
#else
#define FATHOM_DCHECK(condition) FATHOM_CHECK(condition)
#endif
