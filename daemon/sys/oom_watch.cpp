#include "daemon/sys/oom_watch.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <string_view>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/watched_fd.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

/// The file as it is now; empty where its group is gone (ENODEV).
std::string_view read_again(const UniqueFd& file, std::array<char, 512>& buffer) {
  if (!file) return {};
  const auto got = ::pread(file.get(), buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
}

/// nullopt: "max", or nothing.
std::optional<std::uint64_t> read_number(const UniqueFd& file) {
  std::array<char, 512> buffer{};
  const auto text = read_again(file, buffer);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

UniqueFd open_file(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

std::shared_ptr<OomAccount> OomAccount::open(const std::string& directory) {
  const auto account = std::make_shared<OomAccount>();
  account->events_ = open_file(directory + "/memory.events");
  if (!account->events_) return nullptr;
  account->peak_file_ = open_file(directory + "/memory.peak");
  account->limit_file_ = open_file(directory + "/memory.max");
  account->refresh();
  account->last_ms_ = 0;
  return account;
}

bool OomAccount::refresh() {
  std::array<char, 512> buffer{};
  const auto kills = keyed_number(read_again(events_, buffer), "oom_kill");
  if (!kills) return false;
  if (const auto limit = read_number(limit_file_)) limit_ = limit;
  if (const auto peak = read_number(peak_file_)) peak_ = peak;
  if (*kills <= kills_) return false;
  kills_ = *kills;
  last_ms_ = boottime_ms();
  return true;
}

struct OomWatch::Impl : std::enable_shared_from_this<OomWatch::Impl> {
  struct Entry {
    std::shared_ptr<OomAccount> account{};
    Told told{};
  };

  explicit Impl(asio::io_context& context) : loop(context) {}

  static Task<void> run(std::shared_ptr<Impl> self) {
    const auto watched = self->watched;
    while (true) {
      co_await watched->readable();
      self->take();
    }
  }

  void take() {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    while (true) {
      const auto got = ::read(watched->get(), buffer.data(), buffer.size());
      if (got <= 0) return;
      for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        at += sizeof event + event.len;
        const auto found = entries.find(event.wd);
        if (found == entries.end()) continue;
        const auto entry = found->second;
        if (entry.account->refresh()) entry.told();
      }
    }
  }

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::shared_ptr<WatchedFd> watched{};
  std::map<int, Entry> entries{};
};

OomWatch::OomWatch(asio::io_context& loop) : impl_(std::make_shared<Impl>(loop)) {}
OomWatch::~OomWatch() = default;

std::shared_ptr<OomAccount> OomWatch::watch(const std::string& directory, Told told) {
  auto account = OomAccount::open(directory);
  if (!account) return nullptr;
  if (!impl_->watched) {
    UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd) return account;  // what it holds is still read when something has died
    impl_->watched = std::make_shared<WatchedFd>(impl_->loop.get_executor(), std::move(fd));
    asio::co_spawn(impl_->loop, Impl::run(impl_), asio::detached);
  }
  const std::string file = directory + "/memory.events";
  const int wd = ::inotify_add_watch(impl_->watched->get(), file.c_str(), IN_MODIFY);
  if (wd >= 0) impl_->entries[wd] = {account, std::move(told)};
  return account;
}

void OomWatch::unwatch(const std::shared_ptr<OomAccount>& account) {
  for (auto entry = impl_->entries.begin(); entry != impl_->entries.end(); ++entry) {
    if (entry->second.account != account) continue;
    ::inotify_rm_watch(impl_->watched->get(), entry->first);
    impl_->entries.erase(entry);
    return;
  }
}

}  // namespace dixis
