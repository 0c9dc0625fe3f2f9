#include "daemon/run/build/build_watch.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <set>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "daemon/run/notifier.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kPause = 100ms;  // between two reads of a build that goes on changing
constexpr int kMostLinks = 40;  // as the kernel
constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ONLYDIR;

/// The directories on the way to `file`, symbolic links resolved one by one as the kernel does: a
/// change in any of them may change what the path means. Blocks.
class Way {
 public:
  explicit Way(const fs::path& file) { walk(file); }
  /// By directory: the names in it that matter.
  std::map<std::string, std::set<std::string>> take() && { return std::move(directories_); }

 private:
  void walk(const fs::path& path) {
    for (const auto& part : path.relative_path()) {
      directories_[at_.string()].insert(part.string());
      if (part == "..") {
        at_ = at_.parent_path();
      } else if (!part.empty() && part != "." && !step(part)) {
        return;
      }
    }
  }

  bool step(const fs::path& part) {
    std::error_code error;
    const auto next = at_ / part;
    if (!fs::is_symlink(fs::symlink_status(next, error))) {
      at_ = next;
      return fs::is_directory(fs::status(next, error));
    }
    const auto target = fs::read_symlink(next, error);
    if (error || ++links_ > kMostLinks) return false;
    if (target.is_absolute()) at_ = "/";
    walk(target);
    return fs::is_directory(fs::status(at_, error));
  }

  fs::path at_ = "/";
  int links_ = 0;
  std::map<std::string, std::set<std::string>> directories_;
};

/// By watch: the names in its directory that matter.
using Watches = std::map<int, std::set<std::string>>;

/// What a look on the worker brings back.
struct Look {
  Result<std::optional<BuildOnDisk>> build;
  Watches watches{};
  int error = 0;
};

/// Watches first, then reads: what changes in between is an event.
Look look(int inotify, const AppSpec& spec, const std::optional<Credentials>& credentials,
          const std::vector<fs::path>& known) {
  Look out{std::optional<BuildOnDisk>(), {}, 0};
  const auto arm = [&](const std::vector<fs::path>& files) {
    for (const auto& file : files) {
      for (auto& [directory, names] : Way(file).take()) {
        const int watch = ::inotify_add_watch(inotify, directory.c_str(), kEvents);
        if (watch >= 0) {
          out.watches[watch].merge(names);
        } else if (errno == ENOSPC || errno == ENOMEM) {
          out.error = errno;
        }
      }
    }
  };
  arm(known);
  out.build = read_build(spec, credentials);
  if (!out.build || !*out.build || (*out.build)->watched == known) return out;
  // What matters has turned out to be something else: once more.
  arm((*out.build)->watched);
  out.build = read_build(spec, credentials);
  return out;
}

bool same(const std::optional<BuildOnDisk>& left, const std::optional<BuildOnDisk>& right) {
  if (!left || !right) return left.has_value() == right.has_value();
  return left->id == right->id && left->complete == right->complete &&
         left->missing == right->missing && left->builder == right->builder;
}

}  // namespace

struct BuildWatch::Impl : std::enable_shared_from_this<BuildWatch::Impl> {
  /// One app's watch.
  struct Entry {
    AppSpec spec{};
    std::optional<Credentials> credentials{};
    Changed changed{};
    std::vector<fs::path> files{};
    Watches watches{};
    bool looking = false;  ///< then it isn't known yet which watches are its own
    std::optional<BuildOnDisk> last{};
    bool told = false;
    bool dirty = true;
    bool gone = false;
    Notifier wake{};
  };
  using EntryPtr = std::shared_ptr<Entry>;

  Impl(asio::io_context& context, Worker& slow_worker)
      : loop(context),
        worker(slow_worker),
        descriptor(context, ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

  Task<void> read_events();
  void take(const inotify_event& event);
  Task<void> follow(EntryPtr entry);
  Task<void> look_once(EntryPtr entry);
  Task<void> await_builder(EntryPtr entry, std::int64_t pid);
  void drop_unused(const Watches& before);

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Worker& worker;          // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  asio::posix::stream_descriptor descriptor;
  std::map<std::string, EntryPtr> entries{};
  bool reading = false;
  bool told_error = false;
};

/// What happened concerns those who watch that directory; after an overflow, all.
void BuildWatch::Impl::take(const inotify_event& event) {
  for (const auto& [name, entry] : entries) {
    const auto watch = entry->watches.find(event.wd);
    const bool own = watch != entry->watches.end() &&
                     (event.len == 0 || watch->second.contains(std::string(event.name)));
    if (!own && !entry->looking && (event.mask & IN_Q_OVERFLOW) == 0) continue;
    entry->dirty = true;
    entry->wake.notify_all();
  }
}

Task<void> BuildWatch::Impl::read_events() {
  const auto self = shared_from_this();
  alignas(inotify_event) std::array<char, std::size_t{16} << 10U> buffer{};
  while (descriptor.is_open()) {
    const auto [error] = co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                                        asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    const auto size = ::read(descriptor.native_handle(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      take(*event);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    co_await asio::post(loop, asio::use_awaitable);
  }
}

void BuildWatch::Impl::drop_unused(const Watches& before) {
  for (const auto& [watch, names] : before) {
    bool used = false;
    for (const auto& [name, entry] : entries) used = used || entry->watches.contains(watch);
    if (!used) ::inotify_rm_watch(descriptor.native_handle(), watch);
  }
}

/// The end of a `next build` is no event of the file system.
Task<void> BuildWatch::Impl::await_builder(EntryPtr entry, std::int64_t pid) {
  const auto self = shared_from_this();
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd >= 0) {
    asio::posix::stream_descriptor builder(loop, pidfd);
    co_await builder.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::as_tuple(asio::use_awaitable));
  } else {
    co_await asio::post(loop, asio::use_awaitable);
  }
  entry->dirty = true;
  entry->wake.notify_all();
}

Task<void> BuildWatch::Impl::look_once(EntryPtr entry) {
  auto work = [inotify = descriptor.native_handle(), spec = entry->spec,
               credentials = entry->credentials,
               known = entry->files] { return look(inotify, spec, credentials, known); };
  entry->looking = true;
  auto seen = co_await worker.run(std::move(work));
  entry->looking = false;
  if (entry->gone) co_return;
  const auto before = std::exchange(entry->watches, std::move(seen.watches));
  drop_unused(before);
  if (seen.error != 0 && !std::exchange(told_error, true)) {
    spdlog::warn("builds aren't watched: {}; raise fs.inotify.max_user_watches",
                 errno_error("inotify_add_watch", seen.error).message);
  }
  if (!seen.build) co_return;
  auto now = std::move(*seen.build);
  if (now) entry->files = now->watched;
  const bool same_builder = entry->last && now && entry->last->builder_pid == now->builder_pid;
  if (now && now->builder_pid != 0 && !same_builder) {
    asio::co_spawn(loop, await_builder(entry, now->builder_pid), asio::detached);
  }
  if (entry->told && same(entry->last, now)) co_return;
  entry->told = true;
  entry->last = now;
  entry->changed(now);
}

Task<void> BuildWatch::Impl::follow(EntryPtr entry) {
  const auto self = shared_from_this();
  while (!entry->gone) {
    if (!std::exchange(entry->dirty, false)) {
      co_await entry->wake.wait();
      continue;
    }
    co_await look_once(entry);
    if (entry->gone) co_return;
    asio::steady_timer pause(loop, kPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

BuildWatch::BuildWatch(asio::io_context& loop, Worker& slow_worker)
    : impl_(std::make_shared<Impl>(loop, slow_worker)) {}

BuildWatch::~BuildWatch() {
  for (const auto& [name, entry] : impl_->entries) entry->gone = true;
  impl_->entries.clear();
  boost::system::error_code ignored;
  impl_->descriptor.close(ignored);
}

void BuildWatch::watch(const std::string& app, AppSpec spec, std::optional<Credentials> credentials,
                       Changed changed) {
  unwatch(app);
  const auto entry = std::make_shared<Impl::Entry>();
  // Where it will be is known before it is read; what else matters, the first look tells.
  entry->files = spec.health.build.kind == BuildSpec::Kind::file
                     ? std::vector{spec.health.build.id_file}
                     : std::vector{spec.cwd / ".next" / "BUILD_ID"};
  const bool never = spec.health.build.kind == BuildSpec::Kind::none;
  entry->spec = std::move(spec);
  entry->credentials = std::move(credentials);
  entry->changed = std::move(changed);
  if (never) return;
  impl_->entries[app] = entry;
  if (!std::exchange(impl_->reading, true)) {
    asio::co_spawn(impl_->loop, impl_->read_events(), asio::detached);
  }
  asio::co_spawn(impl_->loop, impl_->follow(entry), asio::detached);
}

void BuildWatch::unwatch(const std::string& app) {
  const auto found = impl_->entries.find(app);
  if (found == impl_->entries.end()) return;
  const auto entry = found->second;
  impl_->entries.erase(found);
  entry->gone = true;
  entry->wake.notify_all();
  impl_->drop_unused(entry->watches);
}

}  // namespace dixis
