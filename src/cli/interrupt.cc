#include "cli/interrupt.h"

#include <csignal>

namespace fathom::cli {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

volatile std::sig_atomic_t g_interrupted = 0;

// Who started the program with a signal ignored (nohup, a job in the background) wants it to stay so.
void set_handler(int signal, void (*handler)(int), int flags) {
  struct sigaction action {};
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_interrupted = 0;
  // The handler holds once: the next signal finds the default again. A write that waits for its reader goes on waiting.
  for (const int signal : kSignals) {
    set_handler(
        signal, [](int) { g_interrupted = 1; }, static_cast<int>(SA_RESETHAND | SA_RESTART));
  }
}

InterruptGuard::~InterruptGuard() {
  for (const int signal : kSignals) set_handler(signal, SIG_DFL, 0);
}

bool InterruptGuard::is_interrupted() { return g_interrupted != 0; }

}  // namespace fathom::cli
