#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/model/instance_machine.hpp"

namespace dixis {

/// Why a generation was being ended.
struct EndingRecord {
  Cause cause{Cause::unknown};
  std::string detail{};
  bool operator==(const EndingRecord&) const = default;
};
BOOST_DESCRIBE_STRUCT(EndingRecord, (), (cause, detail))

/// What the next daemon has to know of a slot beside its generation's record: a slot that waits for
/// its next start has no generation.
struct SlotRecord {
  std::string app{};
  std::uint32_t instance{};
  std::string boot_id{};

  State state{State::stopped};
  std::string message{};
  std::uint64_t next_generation{1};
  std::uint64_t restarts{};
  std::uint32_t failures{};
  bool relaunch{};
  std::optional<std::int64_t> retry_at_ms{};  ///< clock.hpp: boottime_ms(); while in backoff

  std::optional<std::uint64_t> generation{};  ///< what follows is about this one
  std::optional<std::int64_t> proven_at_ms{};
  std::optional<std::int64_t> well_until_ms{};
  std::optional<EndingRecord> ended_for{};

  std::optional<boost::json::object> last_death{};  ///< Death of common/model.hpp

  boost::json::object unknown{};  ///< fields of another version, kept on rewriting

  bool operator==(const SlotRecord&) const = default;
};
BOOST_DESCRIBE_STRUCT(SlotRecord, (),
                      (app, instance, boot_id, state, message, next_generation, restarts, failures,
                       relaunch, retry_at_ms, generation, proven_at_ms, well_until_ms, ended_for,
                       last_death))

/// A record of what the machine holds, and back.
SlotRecord to_record(const machine::Slot& slot);
machine::Slot from_record(const SlotRecord& record);

/// RUNTIME/slots/APP-INSTANCE.json. `directory` is the runtime directory in all of these: a tmpfs,
/// so they may run on the loop's thread.
std::filesystem::path slot_file(const std::filesystem::path& directory, const std::string& app,
                                std::uint32_t instance);
Result<void> write_slot(const std::filesystem::path& directory, const SlotRecord& record);
void remove_slot(const std::filesystem::path& directory, const std::string& app,
                 std::uint32_t instance);

struct LoadedSlots {
  std::map<std::pair<std::string, std::uint32_t>, SlotRecord> slots{};
  std::vector<std::string> reports{};  ///< a line for each that is damaged; it was put aside
};
/// Those of this boot; others are removed.
LoadedSlots load_slots(const std::filesystem::path& directory, const std::string& boot_id);

}  // namespace dixis
