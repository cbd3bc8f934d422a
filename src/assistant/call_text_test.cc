#include "assistant/call_text.h"

#include <gtest/gtest.h>

namespace fathom::assistant {
namespace {

TEST(CallText, IsAFewLines) {
  EXPECT_EQ(call_text({.name = "lookup_command", .arguments = "{\"name\": \"git log\"}"},
                      "# git log\n\nShow a history.\n\n- Show it:\n  git log"),
            "· lookup_command git log\n  # git log\n  Show a history.\n  - Show it:\n  …\n");
  EXPECT_EQ(call_text({.name = "calculator", .arguments = "{\"expression\": \"1+1\"}"}, "2"),
            "· calculator 1+1\n  2\n");
  EXPECT_EQ(call_text({.name = "f", .arguments = "{\"a\": 1, \"b\": 2}"}, ""), "· f {\"a\": 1, \"b\": 2}\n");
  EXPECT_EQ(call_text({.name = "f", .arguments = "{\"a\": 1}"}, "a\nb\nc\n"), "· f {\"a\": 1}\n  a\n  b\n  c\n");
  EXPECT_EQ(call_text({.name = "f", .arguments = "{broken"}, "x"), "· f {broken\n  x\n");
}

TEST(CallText, HoldsNothingThatMovesTheCursor) {
  EXPECT_EQ(call_text({.name = "f\n", .arguments = "{\"a\": \"\\u001b[2J\\n\"}"}, "\x1b[1m\r\x7f"),
            "· f   [2J \n   [1m  \n");
  const std::string line = call_text({.name = "f", .arguments = "{}"}, std::string(159, 'a') + "öö");
  EXPECT_EQ(line, "· f {}\n  " + std::string(159, 'a') + "…\n");
}

}  // namespace
}  // namespace fathom::assistant
