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

namespace dixis {

/// How far a generation has come. `gated`: forked, not executed; if the daemon dies it exits.
enum class Phase { gated, starting, online, stopping };
BOOST_DESCRIBE_ENUM(Phase, gated, starting, online, stopping)

/// What the next daemon has to know of a generation to take it back.
struct GenerationRecord {
  std::string app{};
  std::uint32_t instance{};
  std::uint64_t generation{};

  std::int64_t pid{};  ///< the leader; only together with start_ticks and boot_id is it an identity
  std::uint64_t start_ticks{};
  std::string boot_id{};
  std::string tree_mark{};                  ///< value of DIXIS_TREE
  std::optional<std::uint64_t> out_pipe{};  ///< inodes of its stdout and stderr pipes
  std::optional<std::uint64_t> err_pipe{};

  Phase phase{Phase::gated};
  std::uint64_t restarts{};              ///< of the slot: the restarts that nobody asked for
  std::uint32_t consecutive_failures{};  ///< of the slot: what its backoff counts
  std::int64_t started_boot_ms{};        ///< clock.hpp: boottime_ms()
  std::string started_at{};              ///< RFC 3339, UTC, milliseconds
  std::optional<std::int64_t> port{};
  std::string host{};                  ///< where it was told to listen; empty: everywhere
  std::optional<std::string> build{};  ///< the running build
  std::string cgroup{};                ///< directory of its own cgroup; empty: it has none
  std::string spec_digest{};  ///< tells whether the configuration has changed since the spawn
  std::optional<Cause> pending_cause{};       ///< why it is being stopped
  std::optional<std::string> pending_verb{};  ///< the verb under way on the slot

  boost::json::object unknown{};  ///< fields of another version, kept on rewriting
};
BOOST_DESCRIBE_STRUCT(GenerationRecord, (),
                      (app, instance, generation, pid, start_ticks, boot_id, tree_mark, out_pipe,
                       err_pipe, phase, restarts, consecutive_failures, started_boot_ms, started_at,
                       port, host, build, cgroup, spec_digest, pending_cause, pending_verb))

/// RUNTIME/generations/APP-INSTANCE-GENERATION.json. `directory` is the runtime directory in all
/// of these: a tmpfs, so they may run on the loop's thread.
std::filesystem::path record_file(const std::filesystem::path& directory, const std::string& app,
                                  std::uint32_t instance, std::uint64_t generation);

/// Writes or replaces, atomically.
Result<void> write_record(const std::filesystem::path& directory, const GenerationRecord& record);

/// No error if there is none.
void remove_record(const std::filesystem::path& directory, const std::string& app,
                   std::uint32_t instance, std::uint64_t generation);

struct LoadedRecords {
  std::vector<GenerationRecord> records{};  ///< by app, instance, generation
  /// A line for each that is damaged (it was put aside), with the process that it may have meant.
  /// That one is never to be acted upon.
  std::vector<std::string> reports{};
};
LoadedRecords load_records(const std::filesystem::path& directory);

}  // namespace dixis
