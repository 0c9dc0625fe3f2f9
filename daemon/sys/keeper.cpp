#include "daemon/sys/keeper.hpp"

#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <utility>

#include "daemon/sys/systemd/service_manager.hpp"

namespace dixis {

namespace {

// Insertion costs PID 1 O(n²), and its names go into an argument of every start (DESIGN, 'Traps').
constexpr std::size_t kMostStored = 512;
constexpr std::size_t kMostStoredPipes = 384;

constexpr char kMark = 'k';
constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuv";
constexpr std::size_t kNameBytes = 8;

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3U;
  }
  return hash;
}

bool is_pipe(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

UniqueFd copy_of(int fd) {
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace

std::string Keeper::name_of(const std::string& key) {
  std::uint64_t hash = hash_of(key);
  std::string name(1, kMark);
  for (std::size_t i = 1; i < kNameBytes; ++i, hash /= kDigits.size()) {
    name += kDigits[hash % kDigits.size()];
  }
  return name;
}

bool Keeper::is_name(std::string_view name) {
  return name.size() == kNameBytes && name.front() == kMark &&
         name.find_first_not_of(kDigits, 1) == std::string_view::npos;
}

bool Keeper::has_room(bool pipe) const {
  return stored_ < kMostStored && (!pipe || stored_pipes_ < kMostStoredPipes);
}

void Keeper::inherit(std::vector<NamedFd> kept, bool stored) {
  for (auto& one : kept) {
    const bool pipe = is_pipe(one.fd.get());
    const bool fresh =
        entries_.try_emplace(one.name, Entry{{}, std::move(one.fd), pipe, stored}).second;
    if (!fresh || !stored) continue;
    ++stored_;
    if (pipe) ++stored_pipes_;
  }
}

void Keeper::put(const std::string& key, int fd) {
  const std::string name = name_of(key);
  const auto there = entries_.find(name);
  // Two keys with one name, the first one stays.
  if (there != entries_.end() && !there->second.key.empty() && there->second.key != key) return;
  drop(name);
  Entry entry{key, copy_of(fd), is_pipe(fd), false};
  if (!entry.fd) return;
  if (manager_ != nullptr && manager_->present() && has_room(entry.pipe)) {
    // Without FDPOLL=0 systemd drops a pipe at its hang-up, and with it what it holds.
    manager_->tell("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, copy_of(fd));
    entry.stored = told_ = true;
    ++stored_;
    if (entry.pipe) ++stored_pipes_;
  }
  entries_.emplace(name, std::move(entry));
}

UniqueFd Keeper::find(const std::string& key) {
  const auto found = entries_.find(name_of(key));
  if (found == entries_.end()) return {};
  auto& entry = found->second;
  if (!entry.key.empty() && entry.key != key) return {};
  entry.key = key;
  return copy_of(entry.fd.get());
}

void Keeper::forget(const std::string& key) {
  const auto found = entries_.find(name_of(key));
  if (found == entries_.end()) return;
  if (found->second.key.empty() || found->second.key == key) drop(found->first);
}

void Keeper::drop(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  if (found->second.stored) {
    if (manager_ != nullptr) manager_->tell("FDSTOREREMOVE=1\nFDNAME=" + name);
    --stored_;
    if (found->second.pipe) --stored_pipes_;
  }
  entries_.erase(found);
}

void Keeper::drop_unclaimed() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) {
    if (entry.key.empty()) names.push_back(name);
  }
  for (const auto& name : names) drop(name);
}

Task<void> Keeper::stored(std::chrono::milliseconds limit) {
  if (manager_ != nullptr && std::exchange(told_, false)) co_await manager_->all_read(limit);
}

std::vector<Keeper::Kept> Keeper::all() const {
  std::vector<Kept> out;
  for (const auto& [name, entry] : entries_) out.push_back({name, entry.fd.get(), entry.stored});
  return out;
}

}  // namespace dixis
