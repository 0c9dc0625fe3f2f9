#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "common/model.hpp"
#include "daemon/run/event_log.hpp"
#include "daemon/run/notifier.hpp"

namespace dixis {

/// What one subscriber hasn't read yet; bounded: the oldest go, and are counted.
struct EventQueue {
  static constexpr std::size_t kCapacity = 4096;
  std::deque<Event> events{};
  std::size_t dropped = 0;
  Notifier changed{};
};

/// Hands each event to every subscriber. Lives on the loop's thread.
class EventBus {
 public:
  /// Events from now on. The subscription ends when the pointer is dropped.
  std::shared_ptr<EventQueue> subscribe();
  /// Stamps `event.at`, hands it out, and logs what an operator looks for.
  void publish(Event event);
  /// Where the lines go from now on; at first it is the default logger.
  void log_with(EventLog log);

 private:
  std::vector<std::weak_ptr<EventQueue>> queues_;
  EventLog log_{log_text};
};

}  // namespace dixis
