#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "daemon/run/notifier.hpp"

namespace dixis {

/// Who asked, as the kernel says (SO_PEERCRED).
struct Caller {
  std::int64_t pid = 0;
  std::int64_t uid = -1;
  std::string verb{};  ///< "restart", for records
};

/// "`dixisctl restart` (uid 1001, pid 4242)".
std::string to_text(const Caller& caller);

/// How a verb ended as a whole.
struct VerbResult {
  std::vector<Outcome> outcomes{};
  std::optional<std::string> not_durable{};
  std::vector<std::string> warnings{};
};

/// A verb under way. It goes on when the client that asked is gone. Lives on the loop's thread.
class Operation {
 public:
  Operation(std::string id, std::chrono::milliseconds deadline)
      : id_(std::move(id)), deadline_(deadline) {}

  const std::string& id() const { return id_; }
  /// From its begin: when it has ended, whatever happens.
  std::chrono::milliseconds deadline() const { return deadline_; }

  /// The progress so far; grows at the end.
  const std::vector<Progress>& progress() const { return progress_; }
  /// The result, once it has ended.
  const std::optional<VerbResult>& result() const { return result_; }
  /// Whether the desired state it brings is durable by now, or can't be made so: what a client that
  /// doesn't wait for the end is answered with.
  bool remembered() const { return remembered_; }
  const std::optional<std::string>& not_durable() const { return not_durable_; }
  /// Notified at each progress and at the end.
  Notifier& changed() { return changed_; }

  void report(Progress progress) {
    progress_.push_back(std::move(progress));
    changed_.notify_all();
  }
  void set_remembered(std::optional<std::string> not_durable) {
    remembered_ = true;
    not_durable_ = std::move(not_durable);
    changed_.notify_all();
  }
  void finish(VerbResult result) {
    result_ = std::move(result);
    changed_.notify_all();
  }

 private:
  std::string id_;
  std::chrono::milliseconds deadline_;
  std::vector<Progress> progress_;
  std::optional<VerbResult> result_;
  bool remembered_ = false;
  std::optional<std::string> not_durable_;
  Notifier changed_;
};

using OperationPtr = std::shared_ptr<Operation>;

}  // namespace dixis
