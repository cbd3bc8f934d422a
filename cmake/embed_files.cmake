# Writes files into a C++ source, as the table that src/server/assets.h declares. Run by the build:
#   cmake -DFUNCTION=dashboard_assets -DFILES=a.html,b.js -DOUT=x.cc -P embed_files.cmake
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME)
  file(READ "${file}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  # Escapes of a string literal compile many times faster than a list of numbers; one literal a line keeps them apart.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" escaped "${hex}")
  string(REPEAT "\\\\x[0-9a-f][0-9a-f]" 24 line)
  string(REGEX REPLACE "(${line})" "\\1\"\n    \"" escaped "${escaped}")
  string(APPEND arrays "constexpr char kFile${number}[] =\n    \"${escaped}\";\n")
  string(APPEND table "    {\"${name}\", {kFile${number}, ${bytes}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "// Written by cmake/embed_files.cmake.
#include \"server/assets.h\"

namespace fathom::server {
namespace {

${arrays}
constexpr Asset kAssets[] = {
${table}};

}  // namespace

std::span<const Asset> ${FUNCTION}() { return kAssets; }

}  // namespace fathom::server
")
