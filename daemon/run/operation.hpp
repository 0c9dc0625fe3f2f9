#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "common/model.hpp"
#include "daemon/run/notifier.hpp"

namespace dixis {

/// Who asked, as the kernel says (SO_PEERCRED).
struct Caller {
  std::int64_t pid = 0;
  std::int64_t uid = -1;
  std::string verb{};  ///< "restart", for records
  /// Under which id the verb is recorded, so that the next daemon finishes it; "": one of the
  /// daemon's own; nullopt: not at all.
  std::optional<std::string> operation{};
};

/// "`dixisctl restart` (uid 1001, pid 4242)".
std::string to_text(const Caller& caller);

/// How a verb ended as a whole.
struct VerbResult {
  std::vector<Outcome> outcomes{};
  std::optional<std::string> not_durable{};
  std::vector<std::string> warnings{};
};
BOOST_DESCRIBE_STRUCT(VerbResult, (), (outcomes, not_durable, warnings))

/// A verb under way. It goes on when the client that asked is gone. Lives on the loop's thread.
class Operation {
 public:
  Operation(std::string id, std::chrono::milliseconds deadline)
      : id_(std::move(id)), deadline_(deadline) {}

  const std::string& id() const { return id_; }
  /// From its begin: when it has ended, whatever happens.
  std::chrono::milliseconds deadline() const { return deadline_; }
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }
  /// What is left of it.
  std::chrono::milliseconds left() const {
    const auto passed = std::chrono::steady_clock::now() - begun_;
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline_ - passed),
                    std::chrono::milliseconds(0));
  }

  /// The progress so far; grows at the end.
  const std::vector<Progress>& progress() const { return progress_; }
  /// The result, once it has ended.
  const std::optional<VerbResult>& result() const { return result_; }
  /// Whether the desired state it brings is durable by now, or can't be made so: what a client that
  /// doesn't wait for the end is answered with.
  bool remembered() const { return remembered_; }
  const std::optional<std::string>& not_durable() const { return not_durable_; }
  /// True once it turned out that nothing is to be done, and nothing was: the call's reply says
  /// why.
  bool withdrawn() const { return withdrawn_; }
  /// Notified at each progress and at the end.
  Notifier& changed() { return changed_; }

  /// `keeper` is called when it is remembered and when it has ended, before anybody is told.
  void keep(std::function<void(const Operation&)> keeper) { keeper_ = std::move(keeper); }

  void report(Progress progress) {
    progress_.push_back(std::move(progress));
    changed_.notify_all();
  }
  void set_remembered(std::optional<std::string> not_durable) {
    remembered_ = true;
    not_durable_ = std::move(not_durable);
    if (keeper_) keeper_(*this);
    changed_.notify_all();
  }
  void finish(VerbResult result) {
    result_ = std::move(result);
    if (keeper_) keeper_(*this);
    changed_.notify_all();
  }
  void withdraw() {
    withdrawn_ = true;
    changed_.notify_all();
  }

 private:
  std::string id_;
  std::chrono::milliseconds deadline_;
  std::vector<Progress> progress_;
  std::optional<VerbResult> result_;
  bool remembered_ = false;
  std::optional<std::string> not_durable_;
  bool withdrawn_ = false;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::function<void(const Operation&)> keeper_;
  Notifier changed_;
};

using OperationPtr = std::shared_ptr<Operation>;

}  // namespace dixis
