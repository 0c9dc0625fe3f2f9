#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/run/notifier.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

/// Looks at /proc on a worker, once for all who ask at about the same time, and looks their trees
/// up there, too: a thousand apps that stop together leave the loop room for its clients. Lives on
/// the loop's thread.
class TreeScanner {
 public:
  explicit TreeScanner(Worker& worker);
  ~TreeScanner();

  /// The living members of a tree, as seen after this call began.
  Task<std::vector<ProcessFacts>> members(TreeKey key);
  /// The living whose mark begins with `prefix`, this very process excluded, likewise.
  Task<std::vector<ProcessFacts>> marked(std::string prefix);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
