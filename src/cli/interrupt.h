#pragma once
// Control-C while text streams: the answer ends where it is, what was asked for at the end is still printed, and the
// program leaves with the exit code that shells expect of an interrupted one. A second Control-C ends it at once.

namespace fathom::cli {

inline constexpr int kInterruptedExitCode = 130;

// Thrown by a subcommand that ended early because it was asked to: no error, so it says nothing.
struct Interrupted {};

class InterruptGuard {
 public:
  // From here to the destructor SIGINT and SIGTERM are noted instead of ending the process. One at a time.
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool is_interrupted();
};

}  // namespace fathom::cli
