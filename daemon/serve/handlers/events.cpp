#include <set>
#include <utility>

#include "daemon/model/words.hpp"
#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis::handlers {

namespace {

struct SubscribeParameters {
  std::optional<std::vector<std::string>> targets{};
};
BOOST_DESCRIBE_STRUCT(SubscribeParameters, (), (targets))

/// Which events a subscriber wants: those of the slots that its targets name now, and of apps
/// whose names fit later.
struct Filter {
  bool everything = true;
  std::vector<std::string> patterns{};
  std::set<std::pair<std::string, std::uint32_t>> slots{};

  bool wants(const Event& event) const {
    if (everything) return true;
    if (!event.app) return false;
    for (const auto& pattern : patterns) {
      if (glob_match(pattern, *event.app)) return true;
      if (event.instance &&
          glob_match(pattern, *event.app + ":" + std::to_string(*event.instance))) {
        return true;
      }
    }
    return event.instance && slots.contains({*event.app, *event.instance});
  }
};

Task<Filter> make_filter(Supervisor& supervisor, std::vector<std::string> targets) {
  Filter filter;
  filter.everything = targets.empty();
  for (const auto& target : targets) filter.everything = filter.everything || target == "all";
  if (filter.everything) co_return filter;
  const auto instances = co_await shielded(supervisor.list(targets));
  for (const auto& status : instances) filter.slots.emplace(status.app, status.instance);
  filter.patterns = std::move(targets);
  co_return filter;
}

boost::json::object event_parameters(const Event& event) {
  return {{"event", json::write(event)}};
}

Event lost_events(std::size_t count) {
  Event event;
  event.at = wall_clock_now();
  event.type = "warning";
  event.message = std::to_string(count) +
                  " events were lost here: this client did not read as fast as they came";
  return event;
}

}  // namespace

Task<varlink::Reply> subscribe(CallContext context) {
  SubscribeParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (!context.call.more) co_return error_reply(varlink::error::kExpectedMore);
  const auto targets = parameters.targets.value_or(std::vector<std::string>());
  if (auto refused = refuse_targets(context.supervisor, targets)) co_return *refused;

  // Subscribed before anything is awaited, so that from the first reply on nothing is missed.
  const auto queue = context.supervisor.events().subscribe();
  const Filter filter = co_await make_filter(context.supervisor, targets);
  co_await context.stream.send({});
  while (true) {
    while (!queue->events.empty()) {
      if (const auto lost = std::exchange(queue->dropped, 0); lost > 0) {
        co_await context.stream.send(event_parameters(lost_events(lost)));
        continue;
      }
      const Event event = std::move(queue->events.front());
      queue->events.pop_front();
      if (filter.wants(event)) co_await context.stream.send(event_parameters(event));
    }
    co_await context.stream.wait(queue->changed);
  }
}

}  // namespace dixis::handlers
