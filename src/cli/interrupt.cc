#include "cli/interrupt.h"

#include <csignal>

namespace fathom::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void set_handler(void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_interrupted = 0;
  // The handler holds once: the next signal finds the default again.
  set_handler([](int) { g_interrupted = 1; }, static_cast<int>(SA_RESETHAND));
}

InterruptGuard::~InterruptGuard() { set_handler(SIG_DFL, 0); }

bool InterruptGuard::is_interrupted() { return g_interrupted != 0; }

}  // namespace fathom::cli
