// Pages and the sequences that hold them.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "base/error.h"
#include "engine/page_pool.h"
#include "engine/sequence.h"

namespace fathom::engine {
namespace {

TEST(PagePool, LowestFirstUntilEmpty) {
  PagePool pool(3);
  EXPECT_EQ(pool.size(), 3);
  EXPECT_EQ(pool.take(), 0);
  EXPECT_EQ(pool.take(), 1);
  EXPECT_EQ(pool.take(), 2);
  EXPECT_EQ(pool.take(), std::nullopt);
  pool.release(1);
  EXPECT_EQ(pool.free_pages(), 1);
  EXPECT_EQ(pool.take(), 1);
}

TEST(PagePool, SharedPagesStayUntilTheLastOwner) {
  PagePool pool(1);
  const int32_t page = *pool.take();
  pool.share(page);
  pool.release(page);
  EXPECT_EQ(pool.free_pages(), 0);
  pool.release(page);
  EXPECT_EQ(pool.free_pages(), 1);
}

TEST(PagePoolDeathTest, RefusesToReleaseTwice) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  PagePool pool(2);
  const int32_t page = *pool.take();
  pool.release(page);
  EXPECT_DEATH(pool.release(page), "released once too often");
  EXPECT_DEATH(pool.share(page), "broken invariant");
}

// Whatever is taken, shared and released: a page is free or has its count of owners, and none is handed out twice.
TEST(PagePool, CountsAreConserved) {
  const bool holds = rc::check("page counts are conserved", [] {
    const auto size = *rc::gen::inRange<int64_t>(0, 12);
    PagePool pool(size);
    std::map<int32_t, int> owners;
    for (const int action : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100))) {
      if (action < 45) {
        const auto page = pool.take();
        RC_ASSERT(page.has_value() == (static_cast<int64_t>(owners.size()) < size));
        if (page) {
          RC_ASSERT(*page >= 0 && *page < size);
          RC_ASSERT(owners.emplace(*page, 1).second);
        }
      } else if (!owners.empty()) {
        const auto owner = std::next(owners.begin(), action % static_cast<int>(owners.size()));
        if (action < 65) {
          pool.share(owner->first);
          ++owner->second;
        } else {
          pool.release(owner->first);
          if (--owner->second == 0) owners.erase(owner);
        }
      }
      RC_ASSERT(pool.free_pages() == size - static_cast<int64_t>(owners.size()));
    }
  });
  EXPECT_TRUE(holds);
}

TEST(Sequence, TakesPagesAsItGrows) {
  PagePool pool(4);
  Sequence sequence(pool);
  const ops::Span first = sequence.extend(0, 64);
  EXPECT_EQ(first.pages.size(), 1U);
  EXPECT_EQ(first.past, 0);
  EXPECT_EQ(sequence.cached(), 0) << "not before it is confirmed";
  sequence.confirm(64);
  const ops::Span second = sequence.extend(10, 1);
  EXPECT_EQ(second.begin, 10);
  EXPECT_EQ(second.end, 11);
  EXPECT_EQ(second.past, 64);
  EXPECT_EQ(second.pages.size(), 2U);
  sequence.confirm(1);
  EXPECT_EQ(pool.free_pages(), 2);
  EXPECT_EQ(sequence.view(3, 4).past, 3);
  EXPECT_EQ(sequence.view(3, 4).total(), 7);
}

TEST(Sequence, RejectedDraftsKeepNoPosition) {
  PagePool pool(4);
  Sequence sequence(pool);
  sequence.extend(0, 63);
  sequence.confirm(63);
  sequence.extend(0, 3);
  sequence.confirm(1);
  EXPECT_EQ(sequence.cached(), 64);
  EXPECT_EQ(sequence.extend(0, 1).past, 64);
  sequence.truncate(64);
  EXPECT_EQ(pool.free_pages(), 3) << "the page taken for drafts goes back";
}

TEST(Sequence, TruncatesAndReturnsItsPages) {
  PagePool pool(4);
  {
    Sequence sequence(pool);
    sequence.extend(0, 200);
    sequence.confirm(200);
    EXPECT_EQ(pool.free_pages(), 0);
    sequence.truncate(129);
    EXPECT_EQ(pool.free_pages(), 1);
    sequence.truncate(128);
    EXPECT_EQ(pool.free_pages(), 2);
    sequence.truncate(0);
    EXPECT_EQ(pool.free_pages(), 4);
    sequence.extend(0, 70);
    sequence.confirm(70);
  }
  EXPECT_EQ(pool.free_pages(), 4);
}

TEST(Sequence, AnEmptyPoolIsAnErrorThatLosesNothing) {
  PagePool pool(2);
  Sequence sequence(pool);
  sequence.extend(0, 60);
  sequence.confirm(60);
  try {
    sequence.extend(0, 100);
    FAIL() << "no such pages";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
  }
  EXPECT_EQ(sequence.cached(), 60);
  EXPECT_EQ(sequence.extend(0, 5).total(), 65);
  sequence.truncate(0);
  EXPECT_EQ(pool.free_pages(), 2);
}

}  // namespace
}  // namespace fathom::engine
