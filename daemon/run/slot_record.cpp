#include "daemon/run/slot_record.hpp"

#include <cerrno>
#include <cstdio>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "common/json.hpp"
#include "daemon/run/document.hpp"

namespace dixis {

namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 64U << 10U;
constexpr const char* kDirectory = "slots";

bj::object to_document(const SlotRecord& record) {
  bj::object document = record.unknown;
  document["version"] = kVersion;
  const bj::value fields = json::write(record);
  for (const auto& field : fields.get_object()) document[field.key()] = field.value();
  return document;
}

Result<SlotRecord> from_text(const std::string& text) {
  auto document = parse_document(text);
  if (!document) return document.error();
  SlotRecord record;
  const auto read = json::read(bj::value(*document), record);
  if (!read) return Error{read.error().message};
  const bj::object known = to_document(SlotRecord());
  for (auto& field : *document) {
    if (!known.contains(field.key()) && field.key() != "checksum") {
      record.unknown[field.key()] = std::move(field.value());
    }
  }
  return record;
}

/// An error: it is damaged, and why.
Result<SlotRecord> load_one(const fs::path& directory, const fs::path& file) {
  const auto text = read_document_file(file, kMaxBytes);
  if (!text) return text.error();
  auto record = from_text(*text);
  if (!record) return record.error();
  if (slot_file(directory, record->app, record->instance) != file) {
    return Error{"its name belongs to another one"};
  }
  return record;
}

}  // namespace

SlotRecord to_record(const machine::Slot& slot) {
  SlotRecord out;
  out.state = slot.state;
  out.message = slot.message;
  out.next_generation = slot.next_generation;
  out.restarts = slot.restarts;
  out.failures = slot.failures;
  out.relaunch = slot.relaunch;
  if (!slot.current) return out;
  const auto& life = *slot.current;
  out.generation = life.generation;
  out.proven_at_ms = life.proven_at_ms;
  out.well_until_ms = life.well_until_ms;
  if (life.ended_for) out.ended_for = EndingRecord{life.ended_for->cause, life.ended_for->detail};
  return out;
}

machine::Slot from_record(const SlotRecord& record) {
  machine::Slot out;
  out.state = record.state;
  out.message = record.message;
  out.next_generation = record.next_generation;
  out.restarts = record.restarts;
  out.failures = record.failures;
  out.relaunch = record.relaunch;
  if (!record.generation) return out;
  out.current = machine::Life{.generation = *record.generation};
  out.current->proven_at_ms = record.proven_at_ms;
  out.current->well_until_ms = record.well_until_ms;
  if (record.ended_for) {
    out.current->ended_for = machine::Reason{record.ended_for->cause, record.ended_for->detail};
  }
  return out;
}

fs::path slot_file(const fs::path& directory, const std::string& app, std::uint32_t instance) {
  return directory / kDirectory / (app + "-" + std::to_string(instance) + ".json");
}

Result<void> write_slot(const fs::path& directory, const SlotRecord& record) {
  const fs::path file = slot_file(directory, record.app, record.instance);
  const std::string what = "cannot write " + file.string();
  const std::string fresh = file.string() + ".new";
  const std::string text = document_text(to_document(record));
  auto written = write_document_file(fresh, text, false);
  if (!written) {
    if (::mkdir((directory / kDirectory).c_str(), S_IRWXU) != 0) return written;
    written = write_document_file(fresh, text, false);
    if (!written) return written;
  }
  if (std::rename(fresh.c_str(), file.c_str()) != 0) return errno_error(what, errno);
  return {};
}

void remove_slot(const fs::path& directory, const std::string& app, std::uint32_t instance) {
  (void)::unlink(slot_file(directory, app, instance).c_str());
}

LoadedSlots load_slots(const fs::path& directory, const std::string& boot_id) {
  LoadedSlots loaded;
  std::error_code error;
  std::vector<fs::path> files;
  fs::directory_iterator entry(directory / kDirectory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    files.push_back(entry->path());
  }
  for (const auto& file : files) {
    // A write that was cut off: what it would have replaced is still there.
    if (file.extension() == ".new") (void)::unlink(file.c_str());
    if (file.extension() != ".json") continue;
    auto record = load_one(directory, file);
    if (!record) {
      loaded.reports.push_back("the record " + file.string() + " is damaged (" +
                               record.error().message + "); " + put_aside(file) +
                               "; that slot begins with what its process tells");
    } else if (record->boot_id != boot_id) {
      (void)::unlink(file.c_str());
    } else {
      auto key = std::pair(record->app, record->instance);
      loaded.slots.emplace(std::move(key), std::move(*record));
    }
  }
  return loaded;
}

}  // namespace dixis
