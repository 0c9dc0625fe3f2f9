#include "daemon/serve/systemd_service.hpp"

#include <spdlog/spdlog.h>

#include "daemon/logs/within.hpp"

namespace dixis {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto kBusPatience = 1000ms;
constexpr auto kMoreTime = 30s;

Task<void> pause(std::chrono::microseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

Task<void> feed_watchdog(ServiceManager& manager) {
  const auto period = manager.watchdog();
  if (!period) co_return;
  while (true) {
    manager.tell("WATCHDOG=1");
    co_await pause(*period / 2);
  }
}

Task<void> report_status(ServiceManager& manager, Supervisor& supervisor) {
  if (!manager.present()) co_return;
  const auto events = supervisor.events().subscribe();
  std::string told;
  while (true) {
    events->events.clear();
    const std::string status = supervisor.status_line();
    if (status != told) {
      manager.tell("STATUS=" + status);
      told = status;
      co_await pause(1s);
    }
    if (events->events.empty()) co_await events->changed.wait();
  }
}

Task<void> ask_for_time(ServiceManager& manager) {
  if (!manager.present()) co_return;
  while (true) {
    manager.tell("EXTEND_TIMEOUT_USEC=" +
                 std::to_string(std::chrono::microseconds(kMoreTime).count()));
    co_await pause(kMoreTime / 3);
  }
}

Task<bool> apps_shall_stop(ServiceBus* bus) {
  if (bus == nullptr) co_return false;
  auto asking = bus->own_job_type();
  const auto job = co_await within(kBusPatience, std::move(asking));
  if (!job) spdlog::warn("systemd doesn't say within 1 s what its SIGTERM is for");
  if (job && !*job) spdlog::warn("{}", job->error().message);
  co_return job&&* job&&** job == "stop";
}

Task<void> stop_control_socket(ServiceBus* bus) {
  if (bus == nullptr) co_return;
  std::string name = "dixisd.socket";
  auto stopping = bus->stop_unit(std::move(name));
  const auto stopped = co_await within(kBusPatience, std::move(stopping));
  if (stopped && *stopped) co_return;
  spdlog::warn(
      "{}: the next client may start dixisd again",
      stopped ? stopped->error().message : "systemd doesn't stop dixisd.socket within 1 s");
}

}  // namespace dixis
