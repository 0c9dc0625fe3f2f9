#include "daemon/logs/log_watch.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <map>
#include <string_view>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr auto kPause = std::chrono::milliseconds(20);
constexpr std::uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kNew = IN_CREATE | IN_MOVED_TO;

/// An inotify instance and a second descriptor of it, for the worker, who may be slow.
struct Inotify {
  UniqueFd for_worker{};
  std::map<int, fs::path> directories{};
};

/// By directory its watch, or -1.
using Watches = std::map<fs::path, int>;

bool is_of_no_interest(std::string_view name) {
  return name.ends_with(".index") || name.ends_with(".tmp");
}

}  // namespace

struct LogWatch::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& context, Worker& slow) : loop(context), worker(slow), events(context) {}

  asio::io_context& loop;
  Worker& worker;
  asio::posix::stream_descriptor events;
  std::shared_ptr<Inotify> inotify{};
  std::vector<std::weak_ptr<Follower>> followers{};

  bool open() {
    if (inotify) return true;
    UniqueFd own(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!own) return false;
    inotify = std::make_shared<Inotify>();
    inotify->for_worker.reset(::fcntl(own.get(), F_DUPFD_CLOEXEC, 0));
    boost::system::error_code error;
    events.assign(own.get(), error);
    if (error) {
      inotify.reset();
      return false;
    }
    (void)own.release();
    asio::co_spawn(loop, tell(shared_from_this()), asio::detached);
    return true;
  }

  Task<void> arm(std::shared_ptr<Follower> follower) {
    if (!open()) co_return;
    const auto target = inotify;
    auto work = [target, directories = follower->directories] {
      Watches watches;
      for (const auto& directory : directories) {
        watches[directory] =
            ::inotify_add_watch(target->for_worker.get(), directory.c_str(), kEvents);
      }
      return watches;
    };
    const auto watches = co_await worker.run(std::move(work));
    follower->watched = inotify == target;
    for (const auto& [directory, watch] : watches) {
      if (watch >= 0) {
        target->directories[watch] = directory;
      } else {
        follower->watched = false;
      }
    }
  }

  void forget_the_gone() {
    std::erase_if(followers, [](const auto& each) { return each.expired(); });
  }

  /// Reads events as long as somebody follows.
  static Task<void> tell(std::shared_ptr<Impl> self) {
    const auto mine = self->inotify;
    asio::steady_timer pause(self->loop);
    while (self->inotify == mine) {
      const auto [error] = co_await self->events.async_wait(asio::posix::descriptor_base::wait_read,
                                                            asio::as_tuple(asio::use_awaitable));
      if (error || self->inotify != mine) co_return;
      self->forget_the_gone();
      if (self->followers.empty()) {
        self->close();
        co_return;
      }
      self->read();
      pause.expires_after(kPause);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  void close() {
    inotify.reset();
    boost::system::error_code ignored;
    events.close(ignored);
  }

  void read() {
    alignas(inotify_event) std::array<char, 65'536> buffer;  // NOLINT(*-member-init)
    std::map<fs::path, std::map<std::string, bool>> names;   // by directory: whether it is new
    bool all = false;
    while (true) {
      const ssize_t size = ::read(events.native_handle(), buffer.data(), buffer.size());
      if (size <= 0) break;
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        all = all || (event->mask & IN_Q_OVERFLOW) != 0;
        note(*event, names);
      }
    }
    for (const auto& weak : followers) {
      if (const auto follower = weak.lock()) hand_on(*follower, names, all);
    }
  }

  void note(const inotify_event& event, std::map<fs::path, std::map<std::string, bool>>& names) {
    const auto found = inotify->directories.find(event.wd);
    if (found == inotify->directories.end()) return;
    if ((event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
      for (const auto& weak : followers) {
        const auto follower = weak.lock();
        if (!follower || !follower->directories.contains(found->second)) continue;
        follower->watched = false;
        follower->changed.cancel();
      }
      inotify->directories.erase(found);
      return;
    }
    const std::string name = event.len > 0 ? event.name : "";
    if (name.empty() || is_of_no_interest(name)) return;
    bool& is_new = names[found->second][name];
    is_new = is_new || (event.mask & kNew) != 0;
  }

  static void hand_on(Follower& follower,
                      const std::map<fs::path, std::map<std::string, bool>>& names, bool all) {
    follower.all_written = follower.all_written || all;
    for (const auto& [directory, files] : names) {
      if (!follower.directories.contains(directory)) continue;
      for (const auto& [name, is_new] : files) {
        follower.written.insert(directory / name);
        if (is_new) follower.created.insert(directory / name);
      }
    }
    if (!follower.idle()) follower.changed.cancel();
  }
};

LogWatch::LogWatch(asio::io_context& loop, Worker& worker)
    : impl_(std::make_shared<Impl>(loop, worker)) {}

LogWatch::~LogWatch() {
  impl_->close();
}

Task<std::shared_ptr<LogWatch::Follower>> LogWatch::follow(std::set<fs::path> directories) {
  const auto impl = impl_;
  auto follower = std::make_shared<Follower>(
      Follower{.changed = asio::steady_timer(impl->loop), .directories = std::move(directories)});
  impl->followers.push_back(follower);
  co_await impl->arm(follower);
  co_return follower;
}

Task<bool> LogWatch::renew(std::shared_ptr<Follower> follower) {
  const auto impl = impl_;
  co_await impl->arm(follower);
  co_return follower->watched;
}

}  // namespace dixis
