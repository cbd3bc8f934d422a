// The safetensors reader against files that lie, and the writer against disks that are full.

#include "checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>

#include "checkpoint/test_support.h"

namespace fathom::checkpoint {
namespace {

struct BadHeader {
  const char* name;
  std::string header;
  size_t values;  // bytes behind the header
  std::vector<std::string> says;
};

std::string entry(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string one(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32") {
  return R"({"w":)" + entry(shape, offsets, dtype) + "}";
}

std::string two(const std::string& first, const std::string& second) {
  return R"({"w":)" + entry("[1]", first) + R"(,"v":)" + entry("[1]", second) + "}";
}

std::vector<BadHeader> bad_headers() {
  return {
      {"NotJson", "pickle", 0, {"not valid JSON", "byte 0"}},
      {"EmptyHeader", "", 0, {"not valid JSON"}},
      {"ArrayHeader", "[1,2]", 0, {"an array of 2", "expected an object"}},
      {"NulBytes", std::string(16, '\0'), 0, {"not valid JSON"}},
      {"CutJson", R"({"w":{"dtype":"F32")", 0, {"not valid JSON"}},
      {"TrailingJson", one("[1]", "[0,4]") + "{}", 4, {"not valid JSON"}},
      {"DeepJson", std::string(100000, '['), 0, {"not valid JSON", "deep"}},
      {"EntryIsNumber", R"({"w":3})", 0, {"w", "found 3", "expected an object"}},
      {"NoDtype", R"({"w":{"shape":[1],"data_offsets":[0,4]}})", 4, {"w", "lacks 'dtype'"}},
      {"NoShape", R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4, {"w", "lacks 'shape'"}},
      {"NoOffsets", R"({"w":{"dtype":"F32","shape":[1]}})", 4, {"w", "lacks 'data_offsets'"}},
      {"DtypeIsNumber", R"({"w":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4, {"w.dtype", "found 7"}},
      {"UnknownDtype", one("[1]", "[0,4]", "F31"), 4, {"w", "\"F31\"", "expected F32, BF16"}},
      {"ShapeIsObject", one("{}", "[0,4]"), 4, {"w.shape", "an object", "expected an array"}},
      {"ShapeOfStrings", one("[\"1\"]", "[0,4]"), 4, {"w.shape[0]", "\"1\"", "a whole number"}},
      {"NestedShape", one("[[1]]", "[0,4]"), 4, {"w.shape[0]", "an array of 1", "a whole number"}},
      {"FractionalShape", one("[1.5]", "[0,4]"), 4, {"w.shape[0]", "1.5"}},
      {"NegativeShape", one("[-1]", "[0,4]"), 4, {"w.shape[0]", "-1"}},
      {"ShapeOverflows", one("[4294967296,4294967296,4]", "[0,4]"), 4, {"w", "4 bytes", "more than there can be"}},
      {"ShapeOverflowsToZero", one("[4611686018427387904,4]", "[0,0]"), 0, {"w", "more than there can be"}},
      {"OverflowBeforeZero", one("[4611686018427387904,4,0]", "[0,0]"), 0, {"w", "more than there can be"}},
      {"ShapePast63Bits", one("[18446744073709551615]", "[0,4]"), 4, {"w.shape[0]", "a whole number"}},
      {"ShapeTooSmall", one("[1]", "[0,8]"), 8, {"w", "8 bytes", "[1] wants 4"}},
      {"ShapeTooLarge", one("[3]", "[0,8]"), 8, {"w", "8 bytes", "[3] wants 12"}},
      {"WrongDtypeSize", one("[2]", "[0,8]", "BF16"), 8, {"w", "8 bytes", "BF16 [2] wants 4"}},
      {"OneOffset", one("[1]", "[0]"), 4, {"w.data_offsets", "expected [begin, end]"}},
      {"ThreeOffsets", one("[1]", "[0,4,8]"), 4, {"w.data_offsets", "expected [begin, end]"}},
      {"OffsetsReversed", one("[1]", "[4,0]"), 4, {"w", "[4, 0)"}},
      {"OffsetsNegative", one("[1]", "[-4,0]"), 4, {"w.data_offsets[0]", "-4"}},
      {"OffsetsPastTheEnd", one("[2]", "[0,8]"), 4, {"w", "[0, 8) of 4", "truncated"}},
      {"OffsetsHuge", one("[1]", "[9223372036854775803,9223372036854775807]"), 4, {"w", "of 4"}},
      {"OffsetsAreText", one("[1]", R"(["0","4"])"), 4, {"w.data_offsets[0]", "a whole number"}},
      {"Overlap", two("[0,4]", "[2,6]"), 6, {"v", "byte 2", "expected 4", "overlap"}},
      {"SameBytes", two("[0,4]", "[0,4]"), 4, {"byte 0", "expected 4", "overlap"}},
      {"Hole", two("[0,4]", "[8,12]"), 12, {"v", "byte 8", "expected 4", "hole"}},
      {"HoleInFront", one("[1]", "[4,8]"), 8, {"w", "byte 4", "expected 0"}},
      {"BytesBehind", one("[1]", "[0,4]"), 9, {"9 bytes", "tensors have 4"}},
      {"NoTensorsButBytes", "{}", 3, {"3 bytes", "tensors have 0"}},
      {"NamedTwice", R"({"w":)" + entry("[1]", "[0,4]") + R"(,"w":)" + entry("[1]", "[4,8]") + "}", 8, {"\"w\" twice"}},
      {"NamedTwiceEscaped",
       R"({"w":)" + entry("[1]", "[0,4]") + R"(,"\u0077":)" + entry("[1]", "[0,4]") + "}",
       4,
       {"\"w\" twice"}},
      {"KeyTwice", R"({"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, {"\"dtype\" twice"}},
      {"NameNotUtf8", "{\"w\xff\":" + entry("[1]", "[0,4]") + "}", 4, {"not valid JSON"}},
      {"NameOverlong", "{\"w\xc0\xaf\":" + entry("[1]", "[0,4]") + "}", 4, {"not valid JSON"}},
      {"NameWithLineBreak", R"({"w\n\u001b[31m":3})", 0, {"w\\x0a\\x1b[31m", "found 3"}},
      {"MetadataIsArray", R"({"__metadata__":[]})", 0, {"__metadata__", "expected an object"}},
      {"MetadataNested", R"({"__metadata__":{"a":{"b":1}}})", 0, {"__metadata__.a", "expected a string"}},
  };
}

class BadHeaders : public testing::TestWithParam<BadHeader> {};

TEST_P(BadHeaders, GiveOneClearError) {
  const BadHeader& c = GetParam();
  const TemporaryFolder folder;
  const std::string path = folder.put("bad.safetensors", safetensors_bytes(c.header, c.values));
  auto says = c.says;
  says.push_back(path);
  expect_says(error_text([&] { SafetensorsFile::open(path); }), says);
}

INSTANTIATE_TEST_SUITE_P(Safetensors, BadHeaders, testing::ValuesIn(bad_headers()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Safetensors, RefusesFilesThatAreNone) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& path, const std::vector<std::string>& parts) {
    expect_says(error_text([&] { SafetensorsFile::open(path); }), parts);
  };
  says(folder.path("missing"), {folder.path("missing"), "No such file"});
  says(folder.folder(), {folder.folder(), "is not a regular file"});
  says(folder.put("empty", ""), {"is 0 bytes", "expected at least the 8"});
  says(folder.put("seven", "1234567"), {"is 7 bytes"});
  says(folder.put("html", "<html>Not found</html>"), {"header has", "expected at most 14"});
}

TEST(Safetensors, RefusesHeaderLengthsThatLie) {
  const TemporaryFolder folder;
  for (const uint64_t length : {uint64_t{33}, uint64_t{1} << 32, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    std::string bytes = safetensors_bytes(std::string(32, ' '), 0);
    std::memcpy(bytes.data(), &length, sizeof(length));
    const std::string path = folder.put("length", bytes);
    expect_says(error_text([&] { SafetensorsFile::open(path); }),
                {path, std::to_string(length) + " bytes", "expected at most 32"});
  }
}

TEST(Safetensors, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  write_safetensors(folder.path("whole"), {{"a", Tensor::of({2, 2}, std::vector<float>{1, 2, 3, 4})},
                                           {"b", Tensor::of({3}, std::vector<int32_t>{5, 6, 7})}});
  const auto whole = MappedFile::open(folder.path("whole"));
  const auto bytes = whole->bytes();
  EXPECT_EQ(SafetensorsFile::parse(bytes, "whole")->tensors().size(), 2U);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string text = error_text([&] { SafetensorsFile::parse(bytes.first(length), "cut"); });
    EXPECT_TRUE(text.starts_with("cut: ")) << text;
  }
}

TEST(Safetensors, ReadsTensorsOfNoElements) {
  const std::string header = R"({"none":)" + entry("[0,7]", "[4,4]") + R"(,"scalar":)" + entry("[]", "[0,4]") + "}   ";
  const std::string bytes = safetensors_bytes(header, 4);
  const auto file = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "file");
  ASSERT_NE(file->find("none"), nullptr);
  EXPECT_EQ(read_tensor(*file, *file->find("none")).count(), 0);
  EXPECT_EQ(read_tensor(*file, *file->find("scalar")).count(), 1);
  EXPECT_EQ(file->find("other"), nullptr);
}

// A file of one tensor whose values are `values`, the header padded so that they begin `shift` bytes off alignment.
template <typename T>
std::string file_of(const std::string& dtype, const std::vector<T>& values, size_t shift) {
  const size_t size = values.size() * sizeof(T);
  std::string header = one("[" + std::to_string(values.size()) + "]", "[0," + std::to_string(size) + "]", dtype);
  while (header.size() % 8 != shift) header += ' ';
  std::string bytes = safetensors_bytes(header, size);
  std::memcpy(bytes.data() + bytes.size() - size, values.data(), size);
  return bytes;
}

template <typename T>
Tensor read_back(const std::string& dtype, const std::vector<T>& values, size_t shift) {
  const TemporaryFolder folder;
  const auto file = SafetensorsFile::open(folder.put("f", file_of(dtype, values, shift)));
  return read_tensor(*file, *file->find("w"));
}

TEST(Safetensors, ReadsEveryHalfExactlyAtAnyAlignment) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (const size_t shift : {0, 1, 2, 7}) {
    const Tensor bf16 = read_back("BF16", all, shift);
    const Tensor f16 = read_back("F16", all, shift);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(bf16.f32()[i]), static_cast<uint32_t>(i) << 16);
      const float half = f16_to_f32(all[i]);
      EXPECT_TRUE(f16.f32()[i] == half || (std::isnan(half) && std::isnan(f16.f32()[i]))) << i;
    }
  }
}

TEST(Safetensors, ReadsF32AndIdsAtAnyAlignment) {
  const std::vector<float> numbers = {0.0F, -0.0F, 1e-45F, 3.4e38F, -INFINITY, 0.1F};
  const TemporaryFolder folder;
  for (const size_t shift : {0, 1, 3, 6}) {
    const Tensor read = read_back("F32", numbers, shift);
    EXPECT_EQ(std::memcmp(read.f32(), numbers.data(), numbers.size() * sizeof(float)), 0);
    const auto ids = SafetensorsFile::open(folder.put("ids", file_of("I64", std::vector<int64_t>{7, -1, 9}, shift)));
    EXPECT_EQ(read_ids(*ids, "w"), (std::vector<int32_t>{7, -1, 9}));
  }
}

TEST(Safetensors, ShowsFp8BytesAsTheyLie) {
  std::vector<uint8_t> all(256);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint8_t>(i);
  const TemporaryFolder folder;
  const auto file = SafetensorsFile::open(folder.put("f", file_of("F8_E4M3", all, 3)));
  const TensorEntry* found = file->find("w");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->dtype, DType::kF8E4M3);
  EXPECT_EQ(std::memcmp(found->bytes.data(), all.data(), all.size()), 0);
  expect_says(error_text([&] { read_tensor(*file, *found); }), {"w", "F8_E4M3", "expected F32"});
}

TEST(Safetensors, RefusesIdsThatAreNone) {
  const TemporaryFolder folder;
  const auto text = [&](const std::string& bytes) {
    const auto file = SafetensorsFile::open(folder.put("ids", bytes));
    return error_text([&] { read_ids(*file, "w"); });
  };
  expect_says(text(file_of("I64", std::vector<int64_t>{int64_t{1} << 31}, 0)), {"ids", "w", "2147483648"});
  expect_says(text(file_of("F32", std::vector<float>{1}, 0)), {"w", "F32", "expected I32 [S]"});
  expect_says(text(safetensors_bytes(one("[1,1]", "[0,4]", "I32"), 4)), {"w", "[1, 1]", "expected I32 [S]"});
  expect_says(text(safetensors_bytes("{}", 0)), {"ids", "has no tensor w"});
}

TEST(Safetensors, WritesWhatItReads) {
  const TemporaryFolder folder;
  const Tensor numbers = Tensor::of({2, 3}, std::vector<float>{1, -2, 0.1F, 1e-40F, INFINITY, NAN});
  const Tensor ids = Tensor::of({4}, std::vector<int32_t>{0, -1, INT32_MAX, INT32_MIN});
  const Tensor halves = Tensor::zeros({3}, DType::kBF16);
  halves.data<uint16_t>()[1] = 0x3F80;
  const std::string name = "a \"quoted\"\n名";
  write_safetensors(folder.path("f"),
                    {{name, numbers}, {"ids", ids}, {"halves", halves}, {"none", Tensor::zeros({0})}});
  const auto file = SafetensorsFile::open(folder.path("f"));
  ASSERT_EQ(file->tensors().size(), 4U);
  EXPECT_EQ(std::memcmp(read_tensor(*file, *file->find(name)).f32(), numbers.f32(), numbers.bytes()), 0);
  EXPECT_EQ(file->find(name)->shape, numbers.shape());
  EXPECT_EQ(std::memcmp(read_tensor(*file, *file->find("ids")).i32(), ids.i32(), ids.bytes()), 0);
  EXPECT_EQ(read_tensor(*file, *file->find("halves")).f32()[1], 1.0F);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->tensors()[0].bytes.data()) % 8, 0U) << "values begin aligned";
}

TEST(Safetensors, AFailingWriteLeavesThePreviousFile) {
  const TemporaryFolder folder;
  write_safetensors(folder.path("f"), {{"old", Tensor::zeros({1})}});
  // A process that may write 64 KiB stands for a disk that is full.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 64 << 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = error_text([&] {
    write_safetensors(folder.path("f"), {{"new", Tensor::zeros({1 << 20})}});
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  expect_says(text, {folder.path("f"), "cannot write", "File too large"});
  EXPECT_NE(SafetensorsFile::open(folder.path("f"))->find("old"), nullptr);
  EXPECT_EQ(folder.entries(), 1U) << "a temporary file stayed behind";
}

TEST(Safetensors, WritesToADeviceWithoutReplacingIt) {
  expect_says(error_text([] {
                write_safetensors("/dev/full", {{"w", Tensor::zeros({1})}});
              }),
              {"/dev/full", "cannot write", "No space left on device"});
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  write_safetensors("/dev/null", {{"w", Tensor::zeros({1})}});
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  const TemporaryFolder folder;
  expect_says(error_text([&] { write_safetensors(folder.path("no/such/f"), {}); }),
              {folder.path("no/such/f"), "cannot create"});
  expect_says(error_text([&] { write_safetensors(folder.folder(), {}); }), {folder.folder(), "is a folder"});
}

int64_t resident_bytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Safetensors, OpensSixteenGigabytesAtOnce) {
  const TemporaryFolder folder;
  const int64_t columns = int64_t{16} << 30;
  const std::string size = std::to_string(columns);
  const std::string path =
      folder.put("large", safetensors_bytes(one("[1," + size + "]", "[0," + size + "]", "F8_E4M3"), 0));
  std::error_code code;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + static_cast<uint64_t>(columns), code);
  if (code) GTEST_SKIP() << "this file system has no sparse files of 16 GB: " << code.message();
  const int64_t before = resident_bytes();
  const auto started = std::chrono::steady_clock::now();
  const auto file = SafetensorsFile::open(path);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(1));
  EXPECT_EQ(file->find("w")->bytes.size(), static_cast<size_t>(columns));
  EXPECT_EQ(file->find("w")->bytes.back(), std::byte{0});
  EXPECT_LT(resident_bytes() - before, 16 << 20);
}

}  // namespace
}  // namespace fathom::checkpoint
