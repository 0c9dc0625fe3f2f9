#include "daemon/logs/rotated_files.hpp"

#include <algorithm>
#include <cstdio>
#include <dirent.h>
#include <map>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "common/log_index.hpp"

namespace dixis {
namespace {

struct LogName {
  std::string log;
  std::uint64_t number = 0;
  bool compressed = false;
  bool index = false;
};

/// What a file is by its name alone. A log's own name may be any that ends in a word.
std::optional<LogName> parse_name(std::string_view name) {
  std::string_view rest = name;
  for (const std::string_view suffix : {".index", ".zst"}) {
    if (rest.ends_with(suffix)) {
      rest.remove_suffix(suffix.size());
      break;
    }
  }
  const auto digits = rest.find_last_not_of("0123456789");
  if (digits != std::string_view::npos && rest[digits] == '.' && digits > 0) {
    const auto log = rest.substr(0, digits);
    if (const auto rotated = parse_rotated_name(log, name)) {
      return LogName{std::string(log), rotated->number, rotated->compressed, rotated->index};
    }
  }
  if (name.ends_with(".log")) return LogName{std::string(name)};
  if (name.ends_with(".log.index")) return LogName{std::string(rest), 0, false, true};
  return std::nullopt;
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), &::closedir);
  while (open) {
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  return names;
}

bool is_older(const KeptLog& a, const KeptLog& b) {
  return std::tie(a.modified_ms, a.number, a.log) < std::tie(b.modified_ms, b.number, b.log);
}

}  // namespace

std::vector<KeptLog> logs_in(const std::filesystem::path& directory) {
  std::map<std::pair<std::string, std::uint64_t>, KeptLog> found;
  for (const auto& text : names_in(directory)) {
    const auto name = parse_name(text);
    struct stat facts {};
    if (!name || ::lstat((directory / text).c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
      continue;
    }
    KeptLog& file = found[{name->log, name->number}];
    file.log = directory / name->log;
    file.number = name->number;
    file.bytes += static_cast<std::uint64_t>(facts.st_size);
    if (name->index) continue;
    (name->compressed ? file.compressed : file.plain) = true;
    file.modified_ms = facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1'000'000;
  }
  std::vector<KeptLog> out;
  for (auto& [key, file] : found) out.push_back(std::move(file));
  return out;
}

std::vector<KeptLog> surplus(const std::vector<KeptLog>& files, std::optional<std::uint32_t> keep,
                             std::optional<std::uint64_t> most_bytes) {
  std::vector<KeptLog> rotated;
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.bytes;
    if (file.number > 0) rotated.push_back(file);
  }
  std::vector<KeptLog> out;
  const auto give_up = [&](const KeptLog& file) {
    bytes -= file.bytes;
    out.push_back(file);
  };
  if (keep) {
    std::sort(rotated.begin(), rotated.end(),
              [](const auto& a, const auto& b) { return a.number > b.number; });
    std::map<std::filesystem::path, std::uint32_t> kept;
    std::erase_if(rotated, [&](const KeptLog& file) {
      const bool goes = ++kept[file.log] > *keep;
      if (goes) give_up(file);
      return goes;
    });
  }
  std::sort(rotated.begin(), rotated.end(), is_older);
  for (const auto& file : rotated) {
    if (!most_bytes || bytes <= *most_bytes) break;
    give_up(file);
  }
  return out;
}

std::filesystem::path unfinished_log(std::filesystem::path compressed) {
  return compressed += ".tmp";
}

void remove_rotated(const KeptLog& file) {
  const auto plain = rotated_log(file.log, file.number);
  ::unlink(plain.c_str());
  const auto compressed = compressed_log(plain);
  ::unlink(compressed.c_str());
  ::unlink(unfinished_log(compressed).c_str());
  ::unlink(log_index(plain).c_str());
}

void finish_rotation(const std::filesystem::path& log) {
  if (::access(log_index(log).c_str(), F_OK) != 0) return;
  const auto newest = rotated_log(log, next_number(log) - 1);
  if (::access(newest.c_str(), F_OK) != 0) return;
  if (::access(log_index(newest).c_str(), F_OK) == 0) return;
  [[maybe_unused]] const int renamed =
      std::rename(log_index(log).c_str(), log_index(newest).c_str());
}

std::uint64_t next_number(const std::filesystem::path& log) {
  std::uint64_t last = 0;
  const std::string own = log.filename();
  for (const auto& name : names_in(log.parent_path())) {
    if (const auto rotated = parse_rotated_name(own, name)) last = std::max(last, rotated->number);
  }
  return last + 1;
}

}  // namespace dixis
