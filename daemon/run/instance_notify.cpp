// What an app says by itself: the protocol of sd_notify(3).
#include <charconv>

#include "daemon/run/instance.hpp"
#include "daemon/run/probe/notify_socket.hpp"
#include "daemon/run/probe/probe.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

constexpr std::size_t kStatusBytes = 200;

const NotifyProbe* notify_probe(const std::vector<ProbeSpec>& probes, const ProbeSpec** found) {
  for (const auto& probe : probes) {
    if (const auto* notify = std::get_if<NotifyProbe>(&probe.what)) {
      *found = &probe;
      return notify;
    }
  }
  return nullptr;
}

}  // namespace

/// Gives the app its socket and tells it in the environment. No error: it isn't wanted.
Result<void> Instance::open_notify_socket(Generation& generation) {
  const ProbeSpec* spec = nullptr;
  const auto* const notify = notify_probe(generation.health.probes(), &spec);
  if (notify == nullptr) {
    notify_socket_.reset();
    return {};
  }
  const auto file =
      notify_socket_file(services_.runtime_directory, spec_.name, number_, generation.number);
  const auto& user = generation.plan.credentials;
  notify_socket_.reset();  // it removes its file when it goes: before there is the next one
  const auto key = kept_key("notify", generation.number);
  auto socket = NotifySocket::open(
      services_.loop, file, user ? user->uid : ::geteuid(), user ? user->gid : ::getegid(),
      [weak = weak_from_this()](const Notification& said) {
        if (const auto self = weak.lock()) self->spawn(self->hear(said));
      },
      services_.keeper.find(key));
  if (!socket) return socket.error();
  notify_socket_ = std::move(*socket);
  services_.keeper.put(key, notify_socket_->descriptor());
  generation.plan.environment["NOTIFY_SOCKET"] = file.string();
  if (notify->watchdog) {
    const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(spec->interval);
    generation.plan.environment["WATCHDOG_USEC"] = std::to_string(limit.count());
  }
  return {};
}

/// Only what comes from the generation's own tree counts.
Task<void> Instance::hear(Notification said) {
  const auto self = shared_from_this();
  const auto generation = generation_;
  if (!generation || said.sender <= 0) co_return;
  if (said.sender != generation->process.pid) {
    auto work = [pid = said.sender] { return read_process(pid, true); };
    const auto facts = co_await services_.proc_worker.run(std::move(work));
    if (generation != generation_) co_return;
    if (!facts || facts->tree_mark != generation->tree.mark) {
      publish({.type = "warning",
               .generation = generation->number,
               .message = "a notification of process " + std::to_string(said.sender) + " (uid " +
                          std::to_string(said.uid) +
                          ") was ignored: it isn't one of this app, or is gone already"});
      co_return;
    }
  }
  for (const auto& [name, value] : said.assignments) take_notification(*generation, name, value);
  generation->said.notify_all();
}

void Instance::take_notification(Generation& generation, const std::string& name,
                                 const std::string& value) {
  if (name == "READY" && value == "1") {
    generation.ready = true;
    generation.watchdog_fed_ms = boottime_ms();
  } else if (name == "STATUS") {
    generation.status_text = value.substr(0, kStatusBytes);
  } else if (name == "WATCHDOG" && value == "1") {
    generation.watchdog_fed_ms = boottime_ms();
  } else if (name == "WATCHDOG" && value == "trigger") {
    if (serves(generation.number)) unwell(generation, "it asked for its end by WATCHDOG=trigger");
  } else if (name == "STOPPING" && value == "1") {
    if (std::exchange(generation.ending_itself, true)) return;
    generation.left.notify_all();
    if (generation_ && generation_->number == generation.number) spawn(await_own_end(generation_));
  } else if (name == "EXTEND_TIMEOUT_USEC") {
    extend_timeout(value);
  }
}

/// It said that it ends. Its probes have no more to say; its stop timeout has.
Task<void> Instance::await_own_end(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  const auto limit = spec_.stop.timeout;
  boost::asio::steady_timer timeout(services_.loop, limit);
  co_await timeout.async_wait(boost::asio::use_awaitable);
  if (!serves(generation->number)) co_return;
  unwell(*generation, "it said STOPPING=1, and has not ended within its stop timeout of " +
                          std::to_string(limit.count()) + " ms");
}

/// From now on, at least that long until the start or stop timeout; never less than there was.
void Instance::extend_timeout(const std::string& microseconds) {
  std::int64_t value = 0;
  const auto* const end = microseconds.data() + microseconds.size();
  const auto parsed = std::from_chars(microseconds.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value <= 0) return;
  const auto wanted = std::chrono::duration_cast<Milliseconds>(std::chrono::microseconds(value));
  const auto longest = Milliseconds(std::chrono::hours(1));
  const machine::ArmTimer arm{slot_.timers.start ? machine::Timer::start : machine::Timer::stop,
                              std::min(wanted, longest)};
  if (!slot_.timers.start && !slot_.timers.stop) return;
  if (timer(arm.timer).expiry() < std::chrono::steady_clock::now() + arm.delay) carry_out(arm);
}

ProbeAnswer Instance::notify_answer(const Generation& generation, const NotifyProbe& probe,
                                    Milliseconds interval) {
  const std::string status =
      generation.status_text.empty() ? "" : " (" + generation.status_text + ")";
  if (!generation.ready) return {false, "it has not said READY=1 yet" + status, 0};
  if (!probe.watchdog) return {true, "ready" + status, 0};
  const auto ago = boottime_ms() - generation.watchdog_fed_ms;
  const bool fed = ago <= interval.count();
  return {fed,
          (fed ? "WATCHDOG=1 " : "no WATCHDOG=1 for ") + std::to_string(ago) +
              (fed ? " ms ago" : " ms") + status,
          0};
}

}  // namespace dixis
