#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/run/document.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Writes a generation of desired.json and returns when it is durable; blocks. At every instant
/// some complete generation lies under desired.json, or, where there was none, nothing does. The
/// order of its steps is in DOCUMENTS.md.
Result<void> write_desired_generation(const std::filesystem::path& directory,
                                      const std::string& text, const StepHook& before_step = {});

/// The operator's last verb on each app, durable. An app without an entry is `up`.
///
/// File: STATE/desired.json {"version":1,"apps":{"frontend":"down"}, "checksum":…}; the two older
/// generations are kept as desired.json.1 and .2. Written by the state worker: new file, fsync,
/// renames, fsync of the directory. Unknown fields are kept.
class DesiredState {
 public:
  struct Options {
    std::chrono::milliseconds limit{2000};  ///< what change() waits for the disk
    StepHook before_step{};                 ///< runs on the worker; for tests
  };

  DesiredState(Worker& worker, std::filesystem::path directory);
  DesiredState(Worker& worker, std::filesystem::path directory, Options options);
  ~DesiredState();

  /// What was found at start. A damaged file is put aside as desired.json.damaged-TIME and the
  /// previous generation serves; each of that is a line in `reports`. Blocks: before the loop runs.
  struct Loaded {
    std::map<std::string, Desired> apps;
    std::vector<std::string> reports;
  };
  Loaded load();

  /// Changes entries (nullopt: drops it) and returns when they are durable, or after 2 s or a
  /// failure with the reason; the change stays in memory and goes out with the next write. Calls
  /// that come while a write is under way share the next one. What changes nothing is not written.
  Task<Result<void>> change(std::map<std::string, std::optional<Desired>> changes);

  Desired of(const std::string& app) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
