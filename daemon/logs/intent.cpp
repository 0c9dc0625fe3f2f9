#include "daemon/logs/intent.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/logs/pipe.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

constexpr std::uint64_t kMagic = 0x31746e6978696400;  // "\0dixint1"
constexpr std::size_t kPath = 1024;
constexpr std::size_t kUnpaid = 16;

enum class Phase : std::uint32_t { none, writing, taking };

}  // namespace

struct LogIntent::Slot {
  Phase phase;
  char last_byte;  ///< what the buffer's last byte is once the pipe's bytes have been taken
  std::uint64_t pipe;
  std::uint64_t device;
  std::uint64_t inode;
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t source;
  std::array<char, kPath> path;
};

/// The mapping. Both sides are this program on this machine; another version has another magic.
struct LogIntent::State {
  /// Bytes that a predecessor has written, of a pipe that nobody has taken back yet.
  struct Unpaid {
    std::uint64_t pipe;
    std::uint64_t bytes;
  };
  std::uint64_t magic;
  std::atomic<std::uint32_t> current;  ///< which slot counts: written last, so that it is whole
  std::atomic<std::uint32_t> taken_early;
  std::array<Slot, 2> slots;
  std::array<Unpaid, kUnpaid> unpaid;
  alignas(4096) std::array<char, kPipeBytes> buffer;
};

LogIntent::LogIntent(const std::filesystem::path& file) {
  constexpr std::size_t kSize = sizeof(State);
  const UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  const bool kept = fd && ::ftruncate(fd.get(), static_cast<off_t>(kSize)) == 0;
  void* memory = MAP_FAILED;
  if (kept) memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) {
    memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // A page that is read back from swap could break off the read that takes.
  [[maybe_unused]] const int locked = ::mlock2(memory, kSize, MLOCK_ONFAULT);
  state_ = static_cast<State*>(memory);
  if (state_->magic == kMagic) return;
  state_->current = 0;
  state_->slots[0].phase = Phase::none;
  state_->unpaid.fill({});
  state_->magic = kMagic;
}

LogIntent::~LogIntent() {
  ::munmap(state_, sizeof(State));
}

std::span<char> LogIntent::buffer() {
  return state_->buffer;
}

const LogIntent::Slot* LogIntent::current() const {
  return &state_->slots[state_->current.load(std::memory_order_relaxed) & 1U];
}

/// The slot that doesn't count is written, then made the one that does.
void LogIntent::put(const Slot& slot) {
  const auto other = (state_->current.load(std::memory_order_relaxed) + 1) & 1U;
  state_->slots[other] = slot;
  state_->current.store(other, std::memory_order_release);
}

void LogIntent::begin(const Write& write) {
  const auto other = (state_->current.load(std::memory_order_relaxed) + 1) & 1U;
  Slot& slot = state_->slots[other];
  const std::string& path = write.path.native();
  // What can't be found again can't be made right.
  slot.phase = path.size() < kPath ? Phase::writing : Phase::none;
  slot.pipe = write.pipe;
  slot.device = write.device;
  slot.inode = write.inode;
  slot.offset = write.offset;
  slot.bytes = write.bytes;
  slot.source = write.source;
  if (path.size() < kPath) std::memcpy(slot.path.data(), path.c_str(), path.size() + 1);
  state_->taken_early.store(0, std::memory_order_relaxed);
  state_->current.store(other, std::memory_order_release);
}

void LogIntent::taking() {
  Slot slot = *current();
  if (slot.phase != Phase::writing || slot.source == 0 || slot.source > kPipeBytes) return;
  char& last = state_->buffer[static_cast<std::size_t>(slot.source) - 1];
  slot.phase = Phase::taking;
  slot.last_byte = last;
  last = static_cast<char>(~last);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  put(slot);
  forgive(slot.pipe);
}

void LogIntent::owe(std::uint64_t pipe, std::uint64_t bytes) {
  auto& unpaid = state_->unpaid;
  auto entry = std::find_if(unpaid.begin(), unpaid.end(),
                            [](const auto& other) { return other.bytes == 0; });
  if (entry == unpaid.end()) entry = unpaid.begin();
  entry->pipe = pipe;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  entry->bytes = bytes;
}

void LogIntent::forgive(std::uint64_t pipe) {
  for (auto& entry : state_->unpaid) {
    if (entry.pipe == pipe) entry.bytes = 0;
  }
}

void LogIntent::taken_early() {
  state_->taken_early.store(1, std::memory_order_release);
}

void LogIntent::end() {
  const auto other = (state_->current.load(std::memory_order_relaxed) + 1) & 1U;
  state_->slots[other].phase = Phase::none;
  state_->current.store(other, std::memory_order_release);
}

void LogIntent::recover() {
  const Slot left = *current();
  bool written = false;
  if (left.phase == Phase::writing && state_->taken_early.load() == 0) {
    const UniqueFd file(::open(left.path.data(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat facts {};
    const bool same = file && ::fstat(file.get(), &facts) == 0 && facts.st_dev == left.device &&
                      facts.st_ino == left.inode;
    const auto size = same ? static_cast<std::uint64_t>(facts.st_size) : 0;
    written = same && size >= left.offset + left.bytes;
    if (same && !written && size > left.offset &&
        ::ftruncate(file.get(), static_cast<off_t>(left.offset)) != 0) {
      written = true;  // the half that is there is kept; the rest of these bytes is lost
    }
  } else if (left.phase == Phase::taking) {
    written = state_->buffer[static_cast<std::size_t>(left.source) - 1] != left.last_byte;
    forgive(left.pipe);
  }
  if (written) owe(left.pipe, left.source);
  end();
}

std::uint64_t LogIntent::already_written(ino_t pipe) const {
  for (const auto& entry : state_->unpaid) {
    if (entry.pipe == pipe && entry.bytes > 0) return entry.bytes;
  }
  return 0;
}

}  // namespace dixis
