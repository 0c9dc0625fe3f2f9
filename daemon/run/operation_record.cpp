#include "daemon/run/operation_record.hpp"

#include <algorithm>
#include <cerrno>
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
// A thousand slots, each with an outcome of a few lines.
constexpr std::size_t kMaxBytes = 16U << 20U;
constexpr const char* kDirectory = "operations";

fs::path file_of(const fs::path& directory, const std::string& id) {
  return directory / kDirectory / (id + ".json");
}

bj::object to_document(const OperationRecord& record) {
  bj::object document = record.unknown;
  document["version"] = kVersion;
  const bj::value fields = json::write(record);
  for (const auto& field : fields.get_object()) document[field.key()] = field.value();
  return document;
}

Result<OperationRecord> from_text(const std::string& text) {
  auto document = parse_document(text);
  if (!document) return document.error();
  OperationRecord record;
  const auto read = json::read(bj::value(*document), record);
  if (!read) return Error{read.error().message};
  const bj::object known = to_document(OperationRecord());
  for (auto& field : *document) {
    if (!known.contains(field.key()) && field.key() != "checksum") {
      record.unknown[field.key()] = std::move(field.value());
    }
  }
  return record;
}

Result<OperationRecord> from_file(const fs::path& file) {
  const auto text = read_document_file(file, kMaxBytes);
  if (!text) return text.error();
  auto record = from_text(*text);
  if (record && record->id != file.stem()) return Error{"its name belongs to another one"};
  return record;
}

}  // namespace

bool is_operation_id(const std::string& id) {
  constexpr std::size_t kLongest = 64;
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  return !id.empty() && id.size() <= kLongest && std::all_of(id.begin(), id.end(), fits);
}

Result<std::size_t> write_operation(const fs::path& directory, const OperationRecord& record) {
  const fs::path file = file_of(directory, record.id);
  const std::string what = "cannot write the operation " + file.string();
  if (::mkdir((directory / kDirectory).c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return errno_error(what, errno);
  }
  const std::string fresh = file.string() + ".new";
  const std::string text = document_text(to_document(record));
  const auto written = write_document_file(fresh, text, false);
  if (!written) return written.error();
  fault::point("operation-rename");
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return errno_error(what, errno);
  return text.size();
}

Result<OperationRecord> read_operation(const fs::path& directory, const std::string& id) {
  return from_file(file_of(directory, id));
}

void remove_operation(const fs::path& directory, const std::string& id) {
  (void)::unlink(file_of(directory, id).c_str());
}

LoadedOperations load_operations(const fs::path& directory) {
  LoadedOperations loaded;
  std::error_code error;
  std::vector<fs::path> files;
  fs::directory_iterator entry(directory / kDirectory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    files.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    loaded.reports.push_back("cannot read the operations in " + (directory / kDirectory).string() +
                             ": " + error.message());
  }
  for (const auto& file : files) {
    // A write that was cut off: what it would have replaced is still there.
    if (file.extension() == ".new") (void)::unlink(file.c_str());
    if (file.extension() != ".json") continue;
    auto record = from_file(file);
    if (record) {
      loaded.records.push_back(std::move(*record));
      continue;
    }
    loaded.reports.push_back("the operation " + file.string() + " is damaged (" +
                             record.error().message + "); " + put_aside(file) +
                             "; how that verb ended is unknown");
    if (is_operation_id(file.stem())) loaded.damaged.push_back(file.stem());
  }
  std::sort(loaded.records.begin(), loaded.records.end(), [](const auto& a, const auto& b) {
    return std::tie(a.order, a.id) < std::tie(b.order, b.id);
  });
  std::sort(loaded.damaged.begin(), loaded.damaged.end());
  std::sort(loaded.reports.begin(), loaded.reports.end());
  return loaded;
}

}  // namespace dixis
