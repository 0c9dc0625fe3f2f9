#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/run/operation.hpp"

namespace dixis {

/// A slot that a verb is about.
struct OperationSlot {
  std::string app{};
  std::uint32_t instance{};
  std::uint64_t first{};  ///< a generation from this one on is the verb's own, or newer
  bool by_name{};         ///< named, and not only matched by a glob or a tag
  bool whole_app{};
};
BOOST_DESCRIBE_STRUCT(OperationSlot, (), (app, instance, first, by_name, whole_app))

/// What the next daemon has to know of a verb to finish it, or to tell how it ended.
struct OperationRecord {
  std::string id{};
  std::uint64_t order{};  ///< of acceptance
  std::string boot_id{};
  std::string verb{};  ///< "restart", "load"…
  std::int64_t pid{};  ///< of who asked
  std::int64_t uid{-1};
  bool force{};
  std::string file{};                           ///< load: the configuration; add, remove: the app's
  std::vector<OperationSlot> slots{};           ///< what it is about
  std::optional<std::vector<PlanItem>> plan{};  ///< of a configuration; null: not made yet
  std::int64_t deadline_ms{};
  bool remembered{};  ///< the desired state that it brings is durable, or can't be made so
  std::optional<std::int64_t> ended_boot_ms{};
  std::optional<VerbResult> result{};
  std::optional<std::string> lost{};  ///< why nobody can tell how it ended

  boost::json::object unknown{};  ///< fields of another version, kept on rewriting
};
BOOST_DESCRIBE_STRUCT(OperationRecord, (),
                      (id, order, boot_id, verb, pid, uid, force, file, slots, plan, deadline_ms,
                       remembered, ended_boot_ms, result, lost))

/// Whether a client may call an operation so: it is a file's name, too.
bool is_operation_id(const std::string& id);

/// RUNTIME/operations/ID.json; `directory` is the runtime directory in all of these: a tmpfs, so
/// they may run on the loop's thread. Writes or replaces, atomically; gives the size.
Result<std::size_t> write_operation(const std::filesystem::path& directory,
                                    const OperationRecord& record);
Result<OperationRecord> read_operation(const std::filesystem::path& directory,
                                       const std::string& id);
void remove_operation(const std::filesystem::path& directory, const std::string& id);

struct LoadedOperations {
  std::vector<OperationRecord> records{};  ///< as they were accepted
  std::vector<std::string> damaged{};      ///< ids of those that were put aside
  std::vector<std::string> reports{};      ///< a line for each of them
};
LoadedOperations load_operations(const std::filesystem::path& directory);

}  // namespace dixis
