#include "daemon/run/records.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "common/json.hpp"
#include "daemon/run/document.hpp"
#include "daemon/sys/fault.hpp"

namespace dixis {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 64U << 10U;
constexpr const char* kDirectory = "generations";

fs::path file_of(const fs::path& directory, const GenerationRecord& record) {
  return record_file(directory, record.app, record.instance, record.generation);
}

bool fit_for_a_file_name(const std::string& app) {
  return !app.empty() && app != "." && app != ".." && app.find('/') == std::string::npos &&
         app.find('\0') == std::string::npos;
}

bj::object to_document(const GenerationRecord& record) {
  bj::object document = record.unknown;
  document["version"] = kVersion;
  const bj::value fields = json::write(record);
  for (const auto& field : fields.get_object()) document[field.key()] = field.value();
  return document;
}

Result<GenerationRecord> from_text(const std::string& text) {
  auto document = parse_document(text);
  if (!document) return document.error();
  GenerationRecord record;
  const auto read = json::read(bj::value(*document), record);
  if (!read) return Error{read.error().message};
  // 1 is init, 0 and below mean groups to kill(2): none of them was ever a generation.
  if (record.pid <= 1 || record.start_ticks == 0) return Error{"it names no process"};
  const bj::object known = to_document(GenerationRecord());
  for (auto& field : *document) {
    if (!known.contains(field.key()) && field.key() != "checksum") {
      record.unknown[field.key()] = std::move(field.value());
    }
  }
  return record;
}

/// The first number after "pid": in whatever the file holds.
std::string pid_in(const std::string& text) {
  constexpr std::string_view kKey = "\"pid\":";
  auto at = text.find(kKey);
  if (at == std::string::npos) return {};
  at = text.find_first_not_of(" \t\r\n", at + kKey.size());
  if (at == std::string::npos) return {};
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), pid);
  return error == std::errc() && pid > 1 ? std::to_string(pid) : std::string();
}

std::string report_damaged(const fs::path& file, const std::string& why, const std::string& text) {
  std::string report = "the record " + file.string() + " is damaged (" + why + "); ";
  report += put_aside(file) + "; ";
  const std::string pid = pid_in(text);
  if (pid.empty()) return report + "which process it meant can't be told";
  return report + "it may have meant process " + pid + ", which is left alone: see ps -fp " + pid;
}

void load_one(const fs::path& directory, const fs::path& file, LoadedRecords& loaded) {
  const auto text = read_document_file(file, kMaxBytes);
  if (!text) {
    loaded.reports.push_back(report_damaged(file, text.error().message, ""));
    return;
  }
  auto record = from_text(*text);
  if (!record) {
    loaded.reports.push_back(report_damaged(file, record.error().message, *text));
  } else if (file_of(directory, *record) != file) {
    loaded.reports.push_back(report_damaged(file, "its name belongs to another one", *text));
  } else {
    loaded.records.push_back(std::move(*record));
  }
}

}  // namespace

fs::path record_file(const fs::path& directory, const std::string& app, std::uint32_t instance,
                     std::uint64_t generation) {
  return directory / kDirectory /
         (app + "-" + std::to_string(instance) + "-" + std::to_string(generation) + ".json");
}

Result<void> write_record(const fs::path& directory, const GenerationRecord& record) {
  const fs::path file = file_of(directory, record);
  const std::string what = "cannot write the record " + file.string();
  if (!fit_for_a_file_name(record.app)) return Error{what + ": the app's name can't be a file's"};
  if (::mkdir((directory / kDirectory).c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return errno_error(what, errno);
  }
  const std::string fresh = file.string() + ".new";
  auto written = write_document_file(fresh, document_text(to_document(record)), false);
  if (!written) return written;
  fault::point("record-rename");
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return errno_error(what, errno);
  return {};
}

void remove_record(const fs::path& directory, const std::string& app, std::uint32_t instance,
                   std::uint64_t generation) {
  (void)::unlink(record_file(directory, app, instance, generation).c_str());
}

LoadedRecords load_records(const fs::path& directory) {
  LoadedRecords loaded;
  std::error_code error;
  std::vector<fs::path> files;
  fs::directory_iterator entry(directory / kDirectory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    files.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    loaded.reports.push_back("cannot read the records in " + (directory / kDirectory).string() +
                             ": " + error.message());
  }
  for (const auto& file : files) {
    if (file.extension() == ".json") load_one(directory, file, loaded);
    // A write that was cut off: what it would have replaced is still there.
    if (file.extension() == ".new") (void)::unlink(file.c_str());
  }
  std::sort(loaded.records.begin(), loaded.records.end(), [](const auto& a, const auto& b) {
    return std::tie(a.app, a.instance, a.generation) < std::tie(b.app, b.instance, b.generation);
  });
  std::sort(loaded.reports.begin(), loaded.reports.end());
  return loaded;
}

}  // namespace dixis
