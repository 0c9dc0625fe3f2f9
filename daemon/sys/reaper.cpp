#include "daemon/sys/reaper.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_set>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "daemon/sys/exit_info.hpp"
#include "daemon/sys/proc_files.hpp"
#include "daemon/sys/watched_fd.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

/// How long strangers may stay zombies behind a held one that hides them from waitid(P_ALL).
constexpr std::chrono::milliseconds kScanDelay{100};
/// How long the parent of a process that isn't our child gets to reap it, so that its exit status
/// can be read.
constexpr std::chrono::milliseconds kForeignReap{500};

/// Our children, zombies included.
std::vector<pid_t> own_children() {
  const pid_t self = ::getpid();
  if (auto children = proc::children_of(self)) return *children;
  std::vector<pid_t> children;
  proc::for_each_number("/proc", [&](int pid) {
    const auto facts = proc::read_stat(pid);
    if (facts && facts->parent == self) children.push_back(pid);
  });
  return children;
}

void reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0 && errno == EINTR) {
  }
}

/// Some child of ours that is a zombie; 0 if there is none.
pid_t any_zombie() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return info.si_pid;
    if (errno != EINTR) return 0;
  }
}

/// The exit status of a process that ended and isn't our child.
Task<ExitStatus> foreign_status(WatchedFd& watched) {
  using asio::experimental::awaitable_operators::operator||;
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer patience(executor, kForeignReap);
  for (bool waited = false;;) {
    const PidfdExit exit = ask_pidfd(watched.get());
    if (exit.answer == PidfdAnswer::status) co_return exit.status;
    if (exit.answer == PidfdAnswer::never || waited) break;
    // The kernel signals the reaping as a hang-up, which completes any wait.
    const auto first = co_await (watched.wait(asio::posix::descriptor_base::wait_error) ||
                                 patience.async_wait(asio::use_awaitable));
    waited = first.index() == 1;
  }
  co_return ExitStatus{false, std::nullopt, std::nullopt, false};
}

Task<ExitStatus> wait_for_end(UniqueFd pidfd) {
  const auto executor = co_await asio::this_coro::executor;
  WatchedFd watched(executor, std::move(pidfd));
  for (;;) {
    if (has_ended(watched.get())) {
      const auto status = peek_child(watched.get());
      if (status && status->known) co_return *status;
      if (status) {
        const ExitStatus foreign = co_await foreign_status(watched);
        co_return foreign;
      }
    }
    co_await watched.readable();
  }
}

}  // namespace

struct Reaper::Impl : std::enable_shared_from_this<Reaper::Impl> {
  explicit Impl(asio::io_context& context) : child_died(context, SIGCHLD), scan_timer(context) {}

  void watch() {
    child_died.async_wait([weak = weak_from_this()](boost::system::error_code error, int) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->watch();
      self->sweep();
    });
  }

  /// Reaps strangers, as cheaply as that goes.
  void sweep() {
    if (reap_visible()) return;
    if (scan_scheduled) return;
    // A held zombie hides the others. Most are let go at once; a look at all children can wait.
    scan_scheduled = true;
    scan_timer.expires_after(kScanDelay);
    scan_timer.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->scan_scheduled = false;
      if (!self->reap_visible()) self->reap_hidden();
    });
  }

  /// False if it ended at a held zombie, which waitid(P_ALL) keeps showing.
  bool reap_visible() {
    while (const pid_t pid = any_zombie()) {
      if (held.contains(pid)) return false;
      reap(pid);
    }
    return true;
  }

  void reap_hidden() {
    for (const pid_t child : own_children()) {
      if (!held.contains(child)) reap(child);
    }
  }

  std::unordered_set<pid_t> held;
  asio::signal_set child_died;
  asio::steady_timer scan_timer;
  bool scan_scheduled = false;
};

Reaper::Reaper(asio::io_context& context, Begin begin) : impl_(std::make_shared<Impl>(context)) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (begin == Begin::at_once) this->begin();
}

void Reaper::begin() {
  impl_->watch();
  impl_->sweep();  // what died before the handler stood
}

Reaper::~Reaper() = default;

void Reaper::hold(pid_t leader) {
  impl_->held.insert(leader);
}

bool Reaper::hold_child(const Process& leader) {
  const auto ended = peek_child(leader.pidfd.get());
  if (ended && !ended->known) return false;
  hold(leader.pid);
  return true;
}

Task<ExitStatus> Reaper::wait_exit(const Process& process) {
  // Here and not in the coroutine, which starts later: its caller's Process may be gone by then.
  UniqueFd own(::fcntl(process.pidfd.get(), F_DUPFD_CLOEXEC, 0));
  if (!own) throw boost::system::system_error(errno, boost::system::system_category());
  return wait_for_end(std::move(own));
}

void Reaper::release(pid_t leader) {
  if (impl_->held.erase(leader) != 0) reap(leader);
}

}  // namespace dixis
