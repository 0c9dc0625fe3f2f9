#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "common/logs/reader.hpp"
#include "daemon/logs/log_watch.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// What all who read logs share: a thread that reads, with less right to the processor than those
/// that write; what it has decompressed; a watch on the files. Made at the first use. Loop's
/// thread, but what is done on the worker.
class LogReading {
 public:
  explicit LogReading(boost::asio::io_context& loop) : loop_(loop) {}

  LogWatch& watch() { return service().watch; }

  /// Runs one step of somebody's reading, `function(FrameCache&)`, on the worker. Each step's work
  /// is bounded, and they take turns.
  template <class F>
  Task<std::invoke_result_t<F, logs::FrameCache&>> step(F function) {
    Service& shared = service();
    const auto running = std::make_shared<Running>(under_way_);
    auto work = [&frames = shared.frames, running, step = std::move(function)]() mutable {
      return step(frames);
    };
    co_return co_await shared.worker.run(std::move(work));
  }

  /// Whether a step hasn't come back: a disk may hang, and with it the end of this.
  bool is_reading() const { return *under_way_ > 0; }

  /// Somebody begins to read, until the pointer is dropped. With the last one what was decompressed
  /// is forgotten.
  std::shared_ptr<void> enter();

 private:
  struct Service {
    explicit Service(boost::asio::io_context& loop);
    logs::FrameCache frames{};
    Worker worker;
    LogWatch watch;
  };
  using Count = std::shared_ptr<std::atomic<int>>;
  struct Running {
    explicit Running(Count steps) : count(std::move(steps)) { ++*count; }
    ~Running() { --*count; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    Count count;
  };

  Service& service();

  boost::asio::io_context& loop_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Count under_way_ = std::make_shared<std::atomic<int>>(0);
  std::weak_ptr<void> readers_{};
  std::optional<Service> service_{};
};

}  // namespace dixis
