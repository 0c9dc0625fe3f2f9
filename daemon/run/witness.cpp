#include "daemon/run/witness.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <set>
#include <unistd.h>
#include <utility>
#include <vector>

#include "daemon/run/notifier.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/sender.hpp"
#include "daemon/sys/trace.hpp"
#include "daemon/sys/watched_fd.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

/// Records taken in one turn of the loop; a storm of signals is nobody else's delay.
constexpr std::size_t kTurnBytes = 64U << 10U;

}  // namespace

struct Witness::Impl : std::enable_shared_from_this<Witness::Impl> {
  Impl(asio::io_context& context, Worker& w, std::string n)
      : loop(context), worker(w), name(std::move(n)) {
    seen.blind = "it has not begun to look yet";
  }

  static Task<void> follow_trace(std::shared_ptr<Impl> self);
  static Task<void> follow_log(std::shared_ptr<Impl> self);
  static Task<void> renew_ends(std::shared_ptr<Impl> self);
  bool take_records();
  void take_line(std::string_view line);
  void take_oom_kills();
  void take(const SignalSent& sent, std::int64_t at_ms);
  void take(const ThreadEnded& ended, std::int64_t at_ms);
  void take(const ProgramStarted& started, std::int64_t at_ms) const;
  void take(const RecordsLost& /*lost*/, std::int64_t /*at_ms*/) { seen.note_loss(boottime_ms()); }
  bool is_ours(pid_t process, pid_t session) const;

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Worker& worker;          // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::string name;
  Sightings seen{};
  bool sees_ends = false;
  bool looking_back = true;  ///< what a predecessor left: whom it concerns isn't known yet
  std::shared_ptr<WatchedFd> pipe{};
  std::shared_ptr<WatchedFd> log{};
  std::string rest{};  ///< of a line whose end hasn't been read
  std::set<pid_t> leaders{};
  bool renewing = false;
  bool outdated = false;  ///< the kernel's list of leaders isn't ours
  std::function<void(pid_t, pid_t)> told{};
};

bool Witness::Impl::is_ours(pid_t process, pid_t session) const {
  return looking_back || leaders.contains(process) || leaders.contains(session);
}

void Witness::Impl::take(const SignalSent& sent, std::int64_t at_ms) {
  if (sent.sender == ::getpid()) return;
  SeenSignal one{sent, at_ms, 0, session_of(sent.target), {}};
  if (const auto target = read_task_status(sent.target)) one.target_process = target->process;
  // Whoever is gone by now may have been one of ours.
  const bool gone = one.target_process == 0 && one.target_session == 0;
  if (!gone && !is_ours(one.target_process, one.target_session)) return;
  constexpr int kByKernel = 128;
  if (sent.code != kByKernel && sent.signal != SIGCHLD)
    one.sender = find_sender(sent.sender, at_ms);
  seen.note(std::move(one));
}

void Witness::Impl::take(const ThreadEnded& ended, std::int64_t at_ms) {
  seen.note_end(ended.thread, ended.status, at_ms);
}

void Witness::Impl::take(const ProgramStarted& started, std::int64_t /*at_ms*/) const {
  if (!told || looking_back || leaders.contains(started.pid)) return;
  const pid_t session = session_of(started.pid);
  if (leaders.contains(session)) return told(started.pid, session);
  // A few steps up: what an app's child starts is the app's.
  pid_t above = started.pid;
  for (int steps = 0; steps < 8 && above > 1; ++steps) {
    const auto status = read_task_status(above);
    if (!status) return;
    above = status->parent;
    if (leaders.contains(above)) return told(started.pid, above);
  }
  told(started.pid, 0);
}

void Witness::Impl::take_line(std::string_view line) {
  const auto record = parse_trace_line(line);
  if (!record) return;
  std::visit([&](const auto& what) { take(what, record->at_ms); }, record->what);
}

/// True: nothing is left for now.
bool Witness::Impl::take_records() {
  std::array<char, 8192> chunk{};
  for (std::size_t taken = 0; taken < kTurnBytes;) {
    const auto got = ::read(pipe->get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    taken += static_cast<std::size_t>(got);
    rest.append(chunk.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      take_line(std::string_view(rest).substr(begin, end - begin));
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
  return false;
}

void Witness::Impl::take_oom_kills() {
  while (auto kill = next_oom_kill(log->get())) seen.note(std::move(*kill));
}

Task<void> Witness::Impl::follow_trace(std::shared_ptr<Impl> self) {
  const auto watched = self->pipe;
  while (true) {
    co_await watched->readable();
    while (!self->take_records()) co_await asio::post(asio::use_awaitable);
  }
}

Task<void> Witness::Impl::follow_log(std::shared_ptr<Impl> self) {
  const auto watched = self->log;
  while (true) {
    co_await watched->readable();
    self->take_oom_kills();
  }
}

/// Brings the kernel's list of leaders up to date; changes that come meanwhile go together.
Task<void> Witness::Impl::renew_ends(std::shared_ptr<Impl> self) {
  while (std::exchange(self->outdated, false)) {
    std::vector<pid_t> pids(self->leaders.begin(), self->leaders.end());
    auto work = [name = self->name, pids = std::move(pids)] { watch_ends(name, pids); };
    co_await self->worker.run(std::move(work));
  }
  self->renewing = false;
}

Witness::Witness(asio::io_context& loop, Worker& worker, std::string name)
    : impl_(std::make_shared<Impl>(loop, worker, std::move(name))) {}
Witness::~Witness() = default;

Task<void> Witness::open() {
  const auto self = impl_;
  if (::geteuid() != 0) {
    self->seen.blind = "dixisd sees the senders of signals only as root";
    self->looking_back = false;
    co_return;
  }
  auto work = [name = self->name] { return open_trace(name); };
  auto trace = co_await self->worker.run(std::move(work));
  if (trace) {
    self->seen.blind.clear();
    self->sees_ends = trace->sees_ends;
    self->pipe = std::make_shared<WatchedFd>(self->loop.get_executor(), std::move(trace->pipe));
    while (!self->take_records()) co_await asio::post(asio::use_awaitable);
    asio::co_spawn(self->loop, Impl::follow_trace(self), asio::detached);
  } else {
    self->seen.blind = trace.error().message;
  }
  if (UniqueFd log = open_kernel_log()) {
    self->log = std::make_shared<WatchedFd>(self->loop.get_executor(), std::move(log));
    self->take_oom_kills();
    asio::co_spawn(self->loop, Impl::follow_log(self), asio::detached);
  }
  self->looking_back = false;
}

Task<void> Witness::close() {
  const auto self = impl_;
  if (!self->pipe) co_return;
  self->seen.blind = "dixisd is ending";
  self->pipe->cancel();
  self->pipe.reset();
  // The one who waited for it lets go of it in the turn of the loop that follows.
  co_await asio::post(asio::use_awaitable);
  co_await asio::post(asio::use_awaitable);
  auto work = [name = self->name] { remove_trace(name); };
  co_await self->worker.run(std::move(work));
}

const Sightings& Witness::seen() const {
  return impl_->seen;
}

void Witness::watch(pid_t leader) {
  impl_->leaders.insert(leader);
  impl_->seen.forget_end(leader);
  if (!impl_->sees_ends) return;
  impl_->outdated = true;
  if (std::exchange(impl_->renewing, true)) return;
  asio::co_spawn(impl_->loop, Impl::renew_ends(impl_), asio::detached);
}

void Witness::forget(pid_t leader) {
  // The kernel's list is brought up to date with the next one: the number of a dead one does no
  // harm.
  impl_->leaders.erase(leader);
  impl_->seen.forget_end(leader);
}

void Witness::on_program(std::function<void(pid_t, pid_t)> told) {
  impl_->told = std::move(told);
}

void Witness::look() {
  if (impl_->pipe) impl_->take_records();
  if (impl_->log) impl_->take_oom_kills();
}

}  // namespace dixis
