// Any other pattern, by PCRE2. Backtracking has no bound of its own, so each attempt has a limit and each piece a
// budget.

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// Backtracking steps that an attempt may take before it is charged to the budget of its piece, and that budget: a
// megabyte of hostile text ends within seconds, with an Error where the pattern is not linear on it.
constexpr uint32_t kFreeSteps = 1000;
constexpr uint64_t kBudgetBase = 100'000;
constexpr uint64_t kBudgetPerByte = 200;
constexpr uint32_t kHeapLimitKib = 256 * 1024;

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

class RegexStage : public PreTokenizer {
 public:
  RegexStage(const SplitStage& stage, const std::string& where) : behavior_(stage.behavior), where_(where) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    const auto* pattern = reinterpret_cast<PCRE2_SPTR>(stage.pattern.data());
    code_.reset(
        pcre2_compile(pattern, stage.pattern.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
    if (!code_) {
      fail(ErrorCode::kInvalidData, where, "found a pattern that does not compile at offset {}: {}", offset,
           pcre2_message(error));
    }
    // Without a JIT in this build of the library its interpreter does the same, slower.
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
  }

  void split(std::string_view text, std::vector<size_t>& ends) const override {
    Attempt attempt(*this, text);
    size_t last = 0;
    const auto cut = [&](size_t end) {
      if (end > last) ends.push_back(last = end);
    };
    size_t gap = 0;  // end of the last match
    for (size_t at = 0; at < text.size();) {
      const size_t end = attempt.match(at);
      if (end == at) {
        at += static_cast<size_t>(decode_utf8(text, at).length);
        continue;
      }
      cut_around(at, end, gap, cut);
      at = gap = end;
    }
    if (behavior_ == SplitBehavior::kContiguous) cut(gap);
    cut(text.size());
  }

 private:
  // The cuts that a match [at, end) makes; `gap` is the end of the one before.
  template <typename Cut>
  void cut_around(size_t at, size_t end, size_t gap, const Cut& cut) const {
    switch (behavior_) {
      case SplitBehavior::kIsolated:
        cut(at);
        cut(end);
        break;
      case SplitBehavior::kMergedWithPrevious:
        cut(end);
        break;
      case SplitBehavior::kMergedWithNext:
        cut(at);
        break;
      case SplitBehavior::kContiguous:
        if (at > gap) {
          cut(gap);
          cut(at);
        }
        break;
    }
  }

  // The matching of one piece.
  class Attempt {
   public:
    Attempt(const RegexStage& stage, std::string_view text)
        : stage_(stage),
          text_(text),
          data_(pcre2_match_data_create(1, nullptr)),
          context_(pcre2_match_context_create(nullptr)),
          budget_(kBudgetBase + kBudgetPerByte * text.size()) {
      if (!data_ || !context_) fail(ErrorCode::kResource, stage.where_, "no memory for a match");
      pcre2_set_heap_limit(context_.get(), kHeapLimitKib);
    }

    // End of the match that begins at `at`; `at` when there is none or an empty one.
    size_t match(size_t at) {
      uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
      for (uint32_t limit = kFreeSteps;; limit *= 8) {
        if (limit > kFreeSteps) charge(limit);
        pcre2_set_match_limit(context_.get(), limit);
        const auto* subject = reinterpret_cast<PCRE2_SPTR>(text_.data());
        const int found =
            pcre2_match(stage_.code_.get(), subject, text_.size(), at, options, data_.get(), context_.get());
        if (found >= 0) return pcre2_get_ovector_pointer(data_.get())[1];
        if (found == PCRE2_ERROR_NOMATCH) return at;
        if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
          options |= PCRE2_NO_JIT;  // the interpreter keeps its stack on the heap
          continue;
        }
        if (found != PCRE2_ERROR_MATCHLIMIT) {
          fail(ErrorCode::kInvalidArgument, stage_.where_, "matching failed at byte {}: {}", at, pcre2_message(found));
        }
      }
    }

   private:
    void charge(uint32_t steps) {
      if (budget_ < steps) {
        fail(ErrorCode::kInvalidArgument, stage_.where_,
             "the pattern takes more than {} backtracking steps on a text of {} bytes",
             kBudgetBase + kBudgetPerByte * text_.size(), text_.size());
      }
      budget_ -= steps;
    }

    const RegexStage& stage_;
    std::string_view text_;
    std::unique_ptr<pcre2_match_data, MatchDeleter> data_;
    std::unique_ptr<pcre2_match_context, ContextDeleter> context_;
    uint64_t budget_;
  };

  SplitBehavior behavior_;
  std::string where_;
  std::unique_ptr<pcre2_code, CodeDeleter> code_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_regex_stage(const SplitStage& stage, const std::string& where) {
  return std::make_unique<RegexStage>(stage, where);
}

}  // namespace fathom::tokenizer
