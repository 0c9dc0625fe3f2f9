#include "daemon/run/event_bus.hpp"

#include <utility>

#include "daemon/sys/clock.hpp"

namespace dixis {

std::shared_ptr<EventQueue> EventBus::subscribe() {
  auto queue = std::make_shared<EventQueue>();
  queues_.push_back(queue);
  return queue;
}

void EventBus::log_with(EventLog log) {
  log_ = std::move(log);
}

void EventBus::publish(Event event) {
  event.at = wall_clock_now();
  if (const auto line = line_of(event)) log_(event, *line);
  std::erase_if(queues_, [](const auto& queue) { return queue.expired(); });
  for (const auto& weak : queues_) {
    const auto queue = weak.lock();
    if (queue->events.size() == EventQueue::kCapacity) {
      queue->events.pop_front();
      ++queue->dropped;
    }
    queue->events.push_back(event);
    queue->changed.notify_all();
  }
}

}  // namespace dixis
