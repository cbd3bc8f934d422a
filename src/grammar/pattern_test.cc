// Regular expressions and EBNF.

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "grammar/test_support.h"
#include "tokenizer/tokenizer.h"

namespace fathom::grammar {
namespace {

TEST(Regex, MatchesWhole) {
  const struct {
    const char* pattern;
    std::vector<const char*> yes;
    std::vector<const char*> no;
  } cases[] = {
      {"abc", {"abc"}, {"ab", "abcd", ""}},
      {"^a|b$", {"a", "b"}, {"ab"}},
      {"(ab|c)*d?", {"", "ab", "cab", "abcd", "d"}, {"a", "dd"}},
      {"a{2}", {"aa"}, {"a", "aaa"}},
      {"a{2,}", {"aa", "aaaa"}, {"a"}},
      {"a{1,3}b", {"ab", "aaab"}, {"b", "aaaab"}},
      {"[a-c\\d_-]+", {"a1-_c"}, {"d", ""}},
      {"[^a]", {"b", "é", "\n", "👍"}, {"a", "", "\xc3", "\xff"}},
      {".", {"é", "x"}, {"\n", "\xa9", "xx"}},
      {"\\w+\\s\\S\\D", {"ab_9 xx", "a\tyz"}, {"é  x", "a b1"}},
      {"\\x41\\u00e9\\u{1F44D}\\ud83d\\udc4d", {"Aé👍👍"}, {"A"}},
      {"\\p{L}+", {"aé你"}, {"1", "a1", "👍"}},
      {"\\P{L}", {"1", "👍"}, {"é"}},
      {"(?:a|(?<n>b))\\.\\/\\*", {"a./*", "b./*"}, {"axx"}},
      {"a*?b+?", {"b", "aab"}, {"a"}},
      {"[\\u4e00-\\u9fff]{2}", {"你好"}, {"你", "ab"}},
      {"(a*)*b", {"b", "aaab"}, {"aa"}},
      {"", {""}, {"a"}},
  };
  for (const auto& each : cases) {
    const auto grammar = compile(Grammar::from_regex(each.pattern));
    for (const char* text : each.yes) EXPECT_TRUE(matches(grammar, text)) << each.pattern << " on " << text;
    for (const char* text : each.no) EXPECT_FALSE(matches(grammar, text)) << each.pattern << " on " << text;
  }
}

TEST(Regex, RefusesWhatItCannotDo) {
  for (const char* bad : {"(",
                          ")",
                          "a)",
                          "[",
                          "[]",
                          "[b-a]",
                          "*",
                          "a**",
                          "a{2,1}",
                          "a{",
                          "\\",
                          "\\q",
                          "\\b",
                          "\\1",
                          "(?=a)",
                          "(?!a)",
                          "(?<=a)",
                          "(?<!a)",
                          "(?i)a",
                          "a$b",
                          "(a$)",
                          "a^b",
                          "\\p{Lu}",
                          "\\p",
                          "\\u12",
                          "\\u{110000}",
                          "\xff",
                          "a{9999999}",
                          "(a|b)*a(a|b){30}",
                          "((a{1000}){1000}){1000}",
                          "(((((a{9}){9}){9}){9}){9}){9}"}) {
    EXPECT_THROW(compile(Grammar::from_regex(bad)), Error) << bad;
  }
  EXPECT_THROW(Grammar::from_regex(std::string(100000, '(')), Error);
}

TEST(Ebnf, ReadsRules) {
  const auto sums = compile(Grammar::from_ebnf(R"ebnf(
# sums of products
root   ::= term ([-+] term)*
term   ::= factor ("*" factor){0,2}
factor ::= [0-9]+ | "(" root ")"   # brackets
)ebnf"));
  for (const char* text : {"1", "1+2", "12*(3-4)", "((1))", "1*2*3"}) EXPECT_TRUE(matches(sums, text)) << text;
  for (const char* text : {"", "1+", "(1", "1*2*3*4", "1 + 2", "a"}) EXPECT_FALSE(matches(sums, text)) << text;
  const auto escapes = compile(Grammar::from_ebnf(R"ebnf(root ::= "\"\n\x41\u00e9\U0001F44D" [^\]a] . | "é" )ebnf"));
  EXPECT_TRUE(matches(escapes, "\"\nAé👍bx"));
  EXPECT_TRUE(matches(escapes, "é"));
  EXPECT_FALSE(matches(escapes, "\"\nAé👍ax"));
  // A rule that ends where the next begins, an empty alternative, right recursion.
  const auto list = compile(Grammar::from_ebnf("root ::= item\n  tail\ntail ::= \",\" root |\nitem ::= \"x\""));
  EXPECT_TRUE(matches(list, "x,x,x"));
  EXPECT_FALSE(matches(list, "x,"));
}

TEST(Ebnf, RefusesWhatIsWrong) {
  const struct {
    const char* text;
    const char* words;
  } bad[] = {
      {"", "no rule 'root'"},
      {"a ::= \"x\"", "no rule 'root'"},
      {"root ::= b", "'b' is used but not defined"},
      {"root ::= \"x\"\nroot ::= \"y\"", "defined twice"},
      {"root ::= root \"x\" | \"y\"", "left-recursive"},
      {"root ::= a\na ::= [x]? b\nb ::= a \"z\" | \"q\"", "left-recursive"},
      {"root ::= \"x\" root", "no text"},
      {"root ::= \"x", "ends too early"},
      {"root ::= (\"x\"", "expected ')'"},
      {"root = \"x\"", "line 1"},
      {"root ::= \"x\" ]", "line 1"},
      {"root ::= [z-a]", "wrong order"},
      {"root ::= \"\\q\"", "unknown escape"},
      {"root ::= \"x\"{3,1}", "wrong order"},
      {"root ::= \"\\ud800\"", "surrogate"},
  };
  for (const auto& each : bad) {
    try {
      compile(Grammar::from_ebnf(each.text));
      ADD_FAILURE() << "accepted " << each.text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(each.words), std::string::npos) << each.text << ": " << error.what();
    }
  }
}

TEST(Ebnf, AmbiguityIsFollowedUpToALimit) {
  const auto both =
      compile(Grammar::from_ebnf("root ::= a root \"b\" | c root \"d\" | \"\"\na ::= \"x\"\nc ::= \"x\""));
  EXPECT_TRUE(matches(both, "xxxbdb"));
  EXPECT_FALSE(matches(both, "xxbdb"));
  EXPECT_THROW(matches(both, std::string(100, 'x')), Error);
}

TEST(Ebnf, FollowingMasksEndsInTexts) {
  const auto sums = compile(Grammar::from_ebnf("root ::= t (\"+\" t)*\nt ::= [0-9]{1,3} | \"(\" root \")\""));
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Dice dice(seed);
    const std::string text = random_text(sums, dice, dice.roll(30), 1000);
    if (!text.empty()) {
      EXPECT_TRUE(matches(sums, text)) << text;
    }
  }
}

TEST(Matcher, TakesBackDrafts) {
  const auto grammar = compile(Grammar::any_json());
  const TokenVocabulary& vocabulary = grammar->vocabulary();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Dice dice(seed);
    Matcher matcher(grammar);
    ASSERT_TRUE(matcher.accept_bytes("[{\"a"));
    std::vector<std::vector<uint64_t>> masks = {mask_of(matcher, vocabulary)};
    for (int step = 0; step < 30; ++step) {
      for (int draft = 0; draft < 5 && !matcher.has_finished(); ++draft) {
        const auto id = static_cast<TokenId>(dice.roll(vocabulary.size()));
        const bool is_allowed = is_set(masks.back(), id);
        ASSERT_EQ(matcher.accept(id), is_allowed);
        if (is_allowed) masks.push_back(mask_of(matcher, vocabulary));
      }
      const size_t back = dice.roll(matcher.accepted());
      matcher.rollback(back);
      masks.resize(masks.size() - back);
      ASSERT_EQ(mask_of(matcher, vocabulary), masks.back());
    }
  }
}

TEST(Matcher, ManyThreadsShareAGrammar) {
  // Little room for masks, so that threads make and drop them all the time.
  const auto grammar = std::make_shared<const CompiledGrammar>(Grammar::any_json(), small_vocabulary(), 2000);
  const auto roomy = compile(Grammar::any_json());
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&, i] {
      Dice dice(i);
      for (int round = 0; round < 20; ++round) texts[i] += random_text(grammar, dice, 10, 300);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < texts.size(); ++i) {
    Dice dice(i);
    std::string alone;
    for (int round = 0; round < 20; ++round) alone += random_text(roomy, dice, 10, 300);
    EXPECT_EQ(texts[i], alone);
  }
}

// With a real vocabulary the tokenizer's own tokens of a text are allowed, and controls never are.
TEST(Matcher, FollowsTheTokenizer) {
  const auto tokenizer = tokenizer::Tokenizer::load("tests/goldens/tokenizer");
  const auto vocabulary = TokenVocabulary::from_tokenizer(*tokenizer);
  const auto grammar = std::make_shared<const CompiledGrammar>(Grammar::any_json(), vocabulary);
  Matcher matcher(grammar);
  const std::string text =
      "{\n    \"名前\": \"Zoë \\\"X\\\" 👩‍🚀\", \"list\": [1, -2.5e10, true, null, {}], \"\": {\"a\": []}}";
  for (const TokenId token : tokenizer->encode(text)) {
    const std::vector<uint64_t> mask = mask_of(matcher, *vocabulary);
    ASSERT_TRUE(is_set(mask, token)) << vocabulary->token_bytes(token);
    for (const auto& added : tokenizer->added_tokens()) EXPECT_FALSE(is_set(mask, added.id));
    for (int i = 0; i < 200; ++i) {
      const auto other =
          static_cast<TokenId>((static_cast<size_t>(token) * 31 + static_cast<size_t>(i) * 641) % vocabulary->size());
      const bool is_accepted = matcher.accept(other);
      ASSERT_EQ(is_accepted, is_set(mask, other)) << vocabulary->token_bytes(other);
      if (is_accepted) matcher.rollback(1);
    }
    ASSERT_TRUE(matcher.accept(token));
  }
  EXPECT_TRUE(is_set(mask_of(matcher, *vocabulary), *tokenizer->eos()));
}

TEST(Matcher, KnowsWhatIsForced) {
  const auto grammar = compile(Grammar::from_ebnf("root ::= \"name\" (\"1\" | \"2\") \"end\""));
  Matcher matcher(grammar);
  EXPECT_EQ(matcher.forced_bytes(), "name");
  EXPECT_EQ(matcher.forced_bytes(2), "na");
  ASSERT_TRUE(matcher.accept_bytes("name"));
  EXPECT_EQ(matcher.forced_bytes(), "");
  EXPECT_FALSE(matcher.forced_token());
  ASSERT_TRUE(matcher.accept_bytes("1"));
  EXPECT_EQ(matcher.forced_bytes(), "end");
  EXPECT_EQ(matcher.forced_token(), TokenId{'e'});
  ASSERT_TRUE(matcher.accept_bytes("end"));
  EXPECT_EQ(matcher.forced_token(), grammar->vocabulary().eos());
  EXPECT_TRUE(matcher.can_end());
  ASSERT_TRUE(matcher.accept(*grammar->vocabulary().eos()));
  EXPECT_TRUE(matcher.has_finished());
  EXPECT_FALSE(matcher.accept(*grammar->vocabulary().eos()));
  EXPECT_FALSE(matcher.forced_token());
}

TEST(GrammarCache, KeepsWhatWasUsedLast) {
  const auto make = [](const char* text) { return [text] { return Grammar::from_regex(text); }; };
  GrammarCache cache(small_vocabulary(), 1);
  const auto a = cache.get("a", make("a"));
  EXPECT_EQ(cache.get("a", make("never made")), a);
  cache.get("b", make("b"));
  EXPECT_EQ(cache.size(), 1);
  EXPECT_NE(cache.get("a", make("a")), a);
  GrammarCache large(small_vocabulary(), size_t{1} << 20);
  large.get("a", make("a"));
  large.get("b", make("b"));
  EXPECT_EQ(large.size(), 2);
  EXPECT_THROW(large.get("c", make("(")), Error);
  EXPECT_EQ(large.size(), 2);
}

}  // namespace
}  // namespace fathom::grammar
