#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/run/operation.hpp"
#include "daemon/run/operation_record.hpp"

namespace dixis {

/// What can be said of an operation that somebody asks for by its id.
struct KnownOperation {
  OperationPtr operation{};  ///< under way, or with its result
  OperationRecord record{};
};

/// The operations that clients have asked for, each in a record on the runtime directory's tmpfs
/// from before it is acknowledged: a client that lost its daemon finds it by its id, and the next
/// daemon finishes it. Lives on the loop's thread.
class OperationBook {
 public:
  OperationBook(std::filesystem::path runtime_directory, std::string boot_id);

  /// Begins to keep an operation: `record` has what the verb is, the rest is filled in. Where it
  /// can't be recorded, a warning is logged, and only the next daemon won't know of it.
  void enter(const OperationPtr& operation, OperationRecord record);
  /// What it will do to the configuration's apps; from then on it is resumed, not begun anew.
  void plan(const std::string& id, std::vector<PlanItem> plan, std::vector<OperationSlot> slots);
  /// Nothing was done, and nothing will be: as if it had never been asked for.
  void withdraw(const std::string& id);

  bool contains(const std::string& id) const { return entries_.contains(id); }
  std::optional<KnownOperation> find(const std::string& id) const;

  /// A predecessor's, once, at the start. Gives those that hadn't ended, as they were accepted.
  std::vector<KnownOperation> take_back();

 private:
  struct Entry {
    OperationPtr running{};    ///< null: it has ended
    OperationRecord record{};  ///< while it runs; then only in its file
    std::int64_t ended_ms = 0;
    std::size_t bytes = 0;
  };

  void keep(const OperationPtr& operation);
  void update(const Operation& operation);
  void write(Entry& entry);
  void drop_old_ones();

  std::filesystem::path directory_;
  std::string boot_id_;
  std::uint64_t next_order_ = 1;
  std::map<std::string, Entry> entries_;
};

}  // namespace dixis
