#include "daemon/run/event_bus.hpp"

#include <spdlog/spdlog.h>

#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

std::string label(const Event& event) {
  if (!event.app) return "";
  const auto instance = event.instance.value_or(0);
  return *event.app + (instance > 0 ? ":" + std::to_string(instance) : "") + ": ";
}

/// Whether somebody wanted this end.
bool asked_for(const Death& death) {
  return death.cause == Cause::verb || death.cause == Cause::config ||
         death.cause == Cause::shutdown;
}

/// What an operator looks for in the journal.
void log(const Event& event) {
  if (event.type == "verb" || event.type == "config" || event.type == "proven") {
    const std::string what = event.type == "proven" ? "proven, " : "";
    spdlog::info("{}{}{}", label(event), what, event.message);
  } else if (event.type == "death") {
    const bool wanted = event.death && asked_for(*event.death);
    spdlog::log(wanted ? spdlog::level::info : spdlog::level::warn, "{}{}", label(event),
                event.message);
  } else if (event.type == "warning" || event.type == "stranger") {
    spdlog::warn("{}{}", label(event), event.message);
  } else if (event.type == "state" && event.state == State::failed) {
    spdlog::error("{}failed: {}", label(event), event.message);
  } else if (event.type == "state" && event.state == State::stopped) {
    spdlog::info("{}stopped", label(event));
  }
}

}  // namespace

std::shared_ptr<EventQueue> EventBus::subscribe() {
  auto queue = std::make_shared<EventQueue>();
  queues_.push_back(queue);
  return queue;
}

void EventBus::publish(Event event) {
  event.at = wall_clock_now();
  log(event);
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
