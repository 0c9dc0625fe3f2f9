#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The operator's last verb on each app, durable. An app without an entry is `up`.
///
/// File: STATE/desired.json {"version":1,"apps":{"frontend":"down"}, "checksum":…}; the two older
/// generations are kept as desired.json.1 and .2. Written by the state worker: new file, fsync,
/// renames, fsync of the directory. Unknown fields are kept.
class DesiredState {
 public:
  DesiredState(Worker& worker, std::filesystem::path directory);
  ~DesiredState();

  /// What was found at start. A damaged file is put aside as desired.json.damaged-TIME and the
  /// previous generation serves; each of that is a line in `reports`. Blocks: before the loop runs.
  struct Loaded {
    std::map<std::string, Desired> apps;
    std::vector<std::string> reports;
  };
  Loaded load();

  /// Changes entries (nullopt: drops it) and returns when they are durable, or after 2 s or a failure
  /// with the reason; the change stays in memory and goes out with the next write. Calls that come
  /// while a write is under way share the next one.
  Task<Result<void>> change(std::map<std::string, std::optional<Desired>> changes);

  Desired of(const std::string& app) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
