#include "assistant/tool_box.h"

#include <algorithm>
#include <filesystem>

#include "assistant/calculator.h"
#include "assistant/get_time.h"
#include "assistant/lookup_command.h"
#include "base/error.h"

namespace fathom::assistant {
namespace {

// A model that repeats itself fills its whole answer; no call needs more.
constexpr size_t kMostArgumentBytes = 8192;

bool has_type(const json::Value& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "number") return value.is_number();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "boolean") return value.is_bool();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return true;
}

// Throws Error where `arguments` does not fit the tool's parameters.
void check_arguments(const json::Reader& parameters, const json::Reader& arguments) {
  if (!arguments.is_object()) arguments.fail_expected("an object");
  if (const auto required = parameters.find("required")) {
    for (const json::Reader& name : required->items()) arguments.get(std::string(name.as_string()));
  }
  const auto properties = parameters.find("properties");
  if (!properties) return;
  for (const auto& [name, property] : properties->members()) {
    if (!arguments.value().get_object().contains(name)) continue;
    const json::Reader given = arguments.get(name);
    const auto type = property.find("type");
    const std::string expected(type ? std::string_view(type->as_string()) : std::string_view());
    if (!has_type(given.value(), expected)) given.fail_expected("a value of type " + expected);
  }
}

std::unique_ptr<Tool> make_tool(const json::Reader& entry, const std::string& folder) {
  const json::Reader tool = entry.get("tool");
  const std::string_view name = tool.as_string();
  if (name == "calculator") return std::make_unique<Calculator>();
  if (name == "get_time") return std::make_unique<GetTime>();
  if (name == "lookup_command") {
    const std::string_view pages = entry.get("pages").as_string();
    return std::make_unique<LookupCommand>(PageIndex::load((std::filesystem::path(folder) / pages).string()));
  }
  tool.fail_expected("lookup_command, calculator or get_time");
}

}  // namespace

const char* const kToolsFile = "tools.json";

Tool::Tool(std::string_view function) {
  json::Array list;
  list.push_back(json::Object{{"function", json::parse(function, "tool")}});
  const json::Value value(std::move(list));
  declaration_ = tokenizer::read_tools(json::Reader(value, "tool")).front();
}

void ToolBox::add(std::unique_ptr<Tool> tool) {
  if (find(tool->name()) != nullptr) {
    fail(ErrorCode::kInvalidArgument, "tools", "'{}' is there twice, expected once", tool->name());
  }
  tools_.push_back(std::move(tool));
}

std::vector<tokenizer::Tool> ToolBox::declarations() const {
  std::vector<tokenizer::Tool> out;
  for (const auto& tool : tools_) out.push_back(tool->declaration());
  return out;
}

const std::unique_ptr<Tool>* ToolBox::find(const std::string& name) const {
  const auto found = std::find_if(tools_.begin(), tools_.end(), [&](const auto& tool) { return tool->name() == name; });
  return found == tools_.end() ? nullptr : &*found;
}

std::string ToolBox::run(const tokenizer::ToolCall& call) const {
  const auto* tool = find(call.name);
  if (tool == nullptr) {
    std::string known;
    for (const auto& each : tools_) known += (known.empty() ? "" : ", ") + each->name();
    return fmt::format("error: there is no such tool; there are: {}", known.empty() ? "none" : known);
  }
  try {
    if (call.arguments.size() > kMostArgumentBytes) {
      fail(ErrorCode::kInvalidData, "arguments", "found {} bytes, expected at most {}", call.arguments.size(),
           kMostArgumentBytes);
    }
    const json::Value value = json::parse(call.arguments, "arguments");
    const json::Reader arguments(value, "arguments");
    check_arguments(json::Reader((*tool)->declaration().parameters, "parameters"), arguments);
    return (*tool)->run(arguments);
  } catch (const Error& error) {
    return fmt::format("error: {}", error.what());
  }
}

ToolBox load_tools(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / kToolsFile).string();
  const json::Value value = json::parse_file(path);
  ToolBox out;
  for (const json::Reader& entry : json::Reader(value, path).items()) out.add(make_tool(entry, folder));
  return out;
}

}  // namespace fathom::assistant
