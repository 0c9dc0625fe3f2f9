#include "daemon/sys/systemd/service_bus.hpp"

#include <utility>

namespace dixis {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLimit{1000};     // of one call
constexpr std::chrono::milliseconds kPatience{2000};  // of one who waits in the queue
constexpr std::chrono::seconds kRest{10};             // after a silence

}  // namespace

struct ServiceBus::Line {
  Bus bus{kLimit};
  Clock::time_point silent_until{};
};

ServiceBus::ServiceBus() : line_(std::make_shared<Line>()) {}

template <class T, class Call>
Task<Result<T>> ServiceBus::ask(Call call) {
  auto work = [line = line_, call = std::move(call),
               until = Clock::now() + kPatience]() -> Result<T> {
    const auto now = Clock::now();
    if (now < line->silent_until || now >= until) {
      return Error{"systemd has not answered on the bus lately", "look at `busctl status`"};
    }
    auto answer = call(line->bus);
    if (!answer && Clock::now() - now >= kLimit) line->silent_until = Clock::now() + kRest;
    return answer;
  };
  co_return co_await worker_.run(std::move(work));
}

Task<Result<std::optional<std::string>>> ServiceBus::own_job_type() {
  auto call = [](Bus& bus) { return bus.own_job_type(); };
  co_return co_await ask<std::optional<std::string>>(std::move(call));
}

Task<Result<void>> ServiceBus::stop_unit(std::string name) {
  auto call = [name = std::move(name)](Bus& bus) { return bus.stop_unit(name); };
  co_return co_await ask<void>(std::move(call));
}

Task<Result<void>> ServiceBus::start_scope(ScopeRequest request) {
  auto call = [request = std::move(request)](Bus& bus) { return bus.start_scope(request); };
  co_return co_await ask<void>(std::move(call));
}

}  // namespace dixis
