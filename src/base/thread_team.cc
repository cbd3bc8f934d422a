#include "base/thread_team.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/check.h"
#include "base/error.h"

namespace fathom {
namespace {

// How long a member spins before it sleeps. Between two operations of a forward pass lie microseconds of work on the
// calling thread; a futex wake costs 5 to 50 us, so sleeping earlier would be paid at every layer.
constexpr auto kSpinTime = std::chrono::microseconds(200);
constexpr int kPausesPerClockRead = 64;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `done()`; spins first where that `may_spin`, then sleeps on `value` while it still is `seen`.
template <typename T, typename Done>
void spin_then_wait(std::atomic<T>& value, T seen, bool may_spin, Done done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  while (may_spin) {
    for (int i = 0; i < kPausesPerClockRead; ++i) {
      if (done()) return;
      pause();
    }
    if (std::chrono::steady_clock::now() > deadline) break;
  }
  while (!done()) {
    value.wait(seen, std::memory_order_acquire);
    seen = value.load(std::memory_order_acquire);
  }
}

}  // namespace

int ThreadTeam::available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

ThreadTeam::ThreadTeam(int size) : size_(std::max(1, size)), may_spin_(size_ <= available_cores()) {
  threads_.reserve(static_cast<size_t>(size_ - 1));
  try {
    for (int member = 1; member < size_; ++member) threads_.emplace_back([this, member] { member_loop(member); });
  } catch (const std::system_error& e) {
    stop_ = true;
    generation_.fetch_add(1);
    generation_.notify_all();
    for (auto& thread : threads_) thread.join();
    fail(ErrorCode::kResource, "", "cannot start {} threads: {}", size_, e.what());
  }
}

ThreadTeam::~ThreadTeam() {
  stop_.store(true, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadTeam::call(int member) {
  try {
    (*work_)(member);
  } catch (...) {
    if (!failed_.exchange(true)) failure_ = std::current_exception();
  }
}

void ThreadTeam::member_loop(int member) {
  uint32_t seen = 0;
  while (true) {
    spin_then_wait(generation_, seen, may_spin_, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_acquire)) return;
    call(member);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

void ThreadTeam::run(const std::function<void(int)>& work) {
  if (size_ == 1) {
    work(0);
    return;
  }
  work_ = &work;
  failed_.store(false, std::memory_order_relaxed);
  pending_.store(size_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  call(0);
  spin_then_wait(pending_, pending_.load(std::memory_order_acquire), may_spin_,
                 [&] { return pending_.load(std::memory_order_acquire) == 0; });
  work_ = nullptr;
  if (failed_.load(std::memory_order_acquire)) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadTeam::for_each(int64_t count, const std::function<void(int64_t, int)>& work) {
  if (size_ == 1 || count <= 1) {
    for (int64_t item = 0; item < count; ++item) work(item, 0);
    return;
  }
  std::atomic<int64_t> next{0};
  run([&](int member) {
    for (int64_t item = next.fetch_add(1, std::memory_order_relaxed); item < count;
         item = next.fetch_add(1, std::memory_order_relaxed)) {
      work(item, member);
    }
  });
}

Share share_of(int64_t count, int64_t grain, int member, int members) {
  const int64_t units = (count + grain - 1) / grain;
  const int64_t begin = units * member / members * grain;
  const int64_t end = units * (member + 1) / members * grain;
  return {std::min(begin, count), std::min(end, count)};
}

}  // namespace fathom
