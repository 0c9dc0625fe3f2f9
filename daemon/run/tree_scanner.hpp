#pragma once

#include <memory>
#include <vector>

#include "daemon/run/notifier.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

using ProcessTable = std::shared_ptr<const std::vector<ProcessFacts>>;

/// Reads /proc on a worker, once for all who ask at about the same time. Lives on the loop's
/// thread.
class TreeScanner {
 public:
  explicit TreeScanner(Worker& worker);
  ~TreeScanner();

  /// A table that was read after this call began, marks included.
  Task<ProcessTable> scan();

  /// The living members of a tree now.
  Task<std::vector<ProcessFacts>> members(TreeKey key);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
