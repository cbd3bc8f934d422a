#include "base/thread_team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace fathom {
namespace {

class ThreadTeamTest : public testing::TestWithParam<int> {};

TEST_P(ThreadTeamTest, RunsEveryMemberOnceAndJoins) {
  ThreadTeam team(GetParam());
  EXPECT_EQ(team.size(), GetParam());
  std::vector<int> calls(static_cast<size_t>(GetParam()), 0);  // plain ints: the join must make them visible
  for (int i = 0; i < 100; ++i) {
    team.run([&](int member) { ++calls[static_cast<size_t>(member)]; });
  }
  for (const int count : calls) EXPECT_EQ(count, 100);
}

TEST_P(ThreadTeamTest, CallerIsMemberZero) {
  ThreadTeam team(GetParam());
  std::thread::id zero;
  team.run([&](int member) {
    if (member == 0) zero = std::this_thread::get_id();
  });
  EXPECT_EQ(zero, std::this_thread::get_id());
}

TEST_P(ThreadTeamTest, HandsAnExceptionOfEachMemberToTheJoiner) {
  ThreadTeam team(GetParam());
  for (int thrower = 0; thrower < GetParam(); ++thrower) {
    std::atomic<int> others{0};
    const auto work = [&](int member) {
      if (member == thrower) fail(ErrorCode::kIo, "member", "{}", member);
      ++others;
    };
    try {
      team.run(work);
      FAIL() << "member " << thrower << " threw in vain";
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), "member: " + std::to_string(thrower));
    }
    EXPECT_EQ(others.load(), GetParam() - 1);  // the others ran to their end before the throw
  }
  std::atomic<int> calls{0};
  team.run([&](int) { ++calls; });
  EXPECT_EQ(calls.load(), GetParam()) << "unusable after an exception";
}

TEST_P(ThreadTeamTest, SurvivesAllMembersThrowing) {
  ThreadTeam team(GetParam());
  for (int i = 0; i < 200; ++i) {
    EXPECT_THROW(team.run([](int) { throw std::runtime_error("all"); }), std::runtime_error);
  }
  team.run([](int) {});
}

TEST_P(ThreadTeamTest, ForEachCoversEveryItemOnce) {
  ThreadTeam team(GetParam());
  for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
    std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
    team.for_each(count, [&](int64_t item, int member) {
      EXPECT_TRUE(member >= 0 && member < team.size());
      ++seen[static_cast<size_t>(item)];
    });
    for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
  }
}

TEST_P(ThreadTeamTest, ForEachHandsOnExceptions) {
  ThreadTeam team(GetParam());
  EXPECT_THROW(team.for_each(100,
                             [](int64_t item, int) {
                               if (item == 63) throw std::runtime_error("item");
                             }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  team.for_each(10, [&](int64_t item, int) { sum += item; });
  EXPECT_EQ(sum.load(), 45);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadTeamTest, testing::Range(1, 9));

TEST(ThreadTeam, TenThousandRuns) {
  ThreadTeam team(3);
  std::vector<int64_t> sums(3, 0);
  for (int64_t i = 0; i < 10000; ++i) {
    team.run([&](int member) { sums[static_cast<size_t>(member)] += i; });
  }
  for (const int64_t sum : sums) EXPECT_EQ(sum, 49995000);
}

// Sleeping is the other half of waiting: pauses longer than the spin time on either side of the join.
TEST(ThreadTeam, WakesMembersAndJoinerThatSleep) {
  ThreadTeam team(4);
  int total = 0;
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(i % 2 == 0 ? 2000 : 200));
    std::atomic<int> calls{0};
    team.run([&](int member) {
      if (member == i % 4) std::this_thread::sleep_for(std::chrono::microseconds(1500));
      ++calls;
    });
    total += calls.load();
  }
  EXPECT_EQ(total, 160);
}

TEST(ThreadTeam, ManyTeamsComeAndGo) {
  for (int i = 0; i < 100; ++i) {
    ThreadTeam team(1 + i % 4);
    if (i % 3 != 0) team.run([](int) {});
  }
}

TEST(ThreadTeam, SizeIsAtLeastOne) {
  EXPECT_EQ(ThreadTeam(0).size(), 1);
  EXPECT_EQ(ThreadTeam(-3).size(), 1);
  EXPECT_GE(ThreadTeam::available_cores(), 1);
}

TEST(ShareOf, CoversExactlyInOrderAndWholeGrains) {
  for (const int64_t count : {0, 1, 5, 31, 32, 33, 64, 1000, 4097}) {
    for (const int64_t grain : {1, 2, 32, 100}) {
      for (const int members : {1, 2, 3, 7, 8}) {
        int64_t next = 0;
        int64_t most = 0;
        int64_t least = count;
        for (int member = 0; member < members; ++member) {
          const Share share = share_of(count, grain, member, members);
          ASSERT_EQ(share.begin, next) << count << " by " << grain << " among " << members;
          ASSERT_LE(share.begin, share.end);
          EXPECT_TRUE(share.begin == count || share.begin % grain == 0);
          next = share.end;
          most = std::max(most, share.end - share.begin);
          least = std::min(least, share.end - share.begin);
        }
        EXPECT_EQ(next, count);
        EXPECT_LE(most - least, 2 * grain) << "uneven shares";
      }
    }
  }
}

}  // namespace
}  // namespace fathom
