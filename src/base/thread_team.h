#pragma once
// A team of threads that stays together between operations. The caller is member 0; `run` hands the same function to
// every member and returns when all are done: one fork and one join per fused stage, about a microsecond each while the
// members spin. A member that finds no work spins for a short while and then sleeps, so that an idle process costs
// nothing and a shared machine is left to others.

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace fathom {

class ThreadTeam {
 public:
  // `size` members, the caller included; at least 1. Throws Error(kResource) when the system gives no threads.
  explicit ThreadTeam(int size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return size_; }

  // Calls work(member) once for each member in [0, size), the caller being member 0, and joins. The first exception of
  // a member is thrown again here after the join. Not reentrant; one thread at a time may call it.
  void run(const std::function<void(int)>& work);

  // Hands out the items [0, count) to the members as they come; work(item, member). Which member takes an item changes
  // from run to run, so an item's result must depend on the item alone.
  void for_each(int64_t count, const std::function<void(int64_t, int)>& work);

  // Cores this process may run on.
  static int available_cores();

 private:
  void member_loop(int member);
  void call(int member);

  int size_;
  bool may_spin_;  // not with more members than cores: a spinning one would keep a working one off its core
  const std::function<void(int)>* work_ = nullptr;
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

// The part [begin, end) of `count` items that is the share of `member` among `members`, in whole multiples of `grain`
// (the last share may be ragged).
struct Share {
  int64_t begin;
  int64_t end;
};
Share share_of(int64_t count, int64_t grain, int member, int members);

}  // namespace fathom
