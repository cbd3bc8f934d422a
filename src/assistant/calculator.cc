#include "assistant/calculator.h"

#include "assistant/expression.h"

namespace fathom::assistant {
namespace {

constexpr std::string_view kDeclaration =
    R"json({"name": "calculator", "description": "Evaluate an arithmetic expression.", )json"
    R"json("parameters": {"type": "object", "properties": )json"
    R"json({"expression": {"type": "string", "description": "such as 12*(3+4)"}}, "required": ["expression"]}})json";

}  // namespace

Calculator::Calculator() : Tool(kDeclaration) {}

std::string Calculator::run(const json::Reader& arguments) {
  const Evaluation result = evaluate(arguments.get("expression").as_string());
  return result.is_error ? "error: " + result.text : result.text;
}

}  // namespace fathom::assistant
