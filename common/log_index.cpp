#include "common/log_index.hpp"

#include <charconv>

namespace dixis {
namespace {

constexpr std::string_view kCompressed = ".zst";
constexpr std::string_view kIndex = ".index";

template <class T>
char* put(char* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    *to++ = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }
  return to;
}

template <class T>
T take(std::string_view& from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const auto byte = static_cast<T>(static_cast<unsigned char>(from[i]));
    value = static_cast<T>(value | static_cast<T>(byte << (8 * i)));
  }
  from.remove_prefix(sizeof(T));
  return value;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::filesystem::path with_suffix(std::filesystem::path path, std::string_view suffix) {
  path += suffix;
  return path;
}

}  // namespace

std::array<char, kLogIndexRecordBytes> encode_log_index(const LogIndexRecord& record) {
  std::array<char, kLogIndexRecordBytes> bytes{};
  char* at = put(bytes.data(), record.offset);
  at = put(at, record.time_ms);
  at = put(at, record.generation);
  at = put(at, record.instance);
  put(at, static_cast<std::uint16_t>(record.origin));
  return bytes;
}

LogIndexRecord decode_log_index(std::string_view bytes) {
  LogIndexRecord record;
  record.offset = take<std::uint64_t>(bytes);
  record.time_ms = take<std::uint64_t>(bytes);
  record.generation = take<std::uint32_t>(bytes);
  record.instance = take<std::uint16_t>(bytes);
  record.origin = (take<std::uint16_t>(bytes) & 1U) != 0 ? LogOrigin::dixis : LogOrigin::app;
  return record;
}

std::optional<std::uint64_t> whole_log_index_bytes(std::string_view head, std::uint64_t size) {
  if (size < kLogIndexMagic.size() || !head.starts_with(kLogIndexMagic)) return std::nullopt;
  return size - (size - kLogIndexMagic.size()) % kLogIndexRecordBytes;
}

std::vector<LogIndexRecord> parse_log_index(std::string_view file, std::uint64_t log_size) {
  std::vector<LogIndexRecord> records;
  const auto whole = whole_log_index_bytes(file, file.size());
  if (!whole) return records;
  file = file.substr(0, static_cast<std::size_t>(*whole)).substr(kLogIndexMagic.size());
  for (; !file.empty(); file.remove_prefix(kLogIndexRecordBytes)) {
    const auto record = decode_log_index(file.substr(0, kLogIndexRecordBytes));
    if (record.offset > log_size) continue;
    while (!records.empty() && records.back().offset >= record.offset) records.pop_back();
    records.push_back(record);
  }
  return records;
}

std::filesystem::path rotated_log(const std::filesystem::path& log, std::uint64_t number) {
  return with_suffix(log, "." + std::to_string(number));
}

std::filesystem::path compressed_log(const std::filesystem::path& rotated) {
  return with_suffix(rotated, kCompressed);
}

std::filesystem::path log_index(const std::filesystem::path& log) {
  return with_suffix(log, kIndex);
}

std::optional<RotatedName> parse_rotated_name(std::string_view log, std::string_view name) {
  if (!name.starts_with(log)) return std::nullopt;
  name.remove_prefix(log.size());
  RotatedName out;
  out.index = take_suffix(name, kIndex);
  out.compressed = !out.index && take_suffix(name, kCompressed);
  if (name.size() < 2 || name[0] != '.' || name[1] == '0') return std::nullopt;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + 1, end, out.number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

}  // namespace dixis
