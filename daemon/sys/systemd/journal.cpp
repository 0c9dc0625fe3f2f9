#include "daemon/sys/systemd/journal.hpp"

#include <cstdint>
#include <cstdlib>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace dixis {

namespace {

constexpr ::sockaddr_un kAddress{AF_UNIX, "/run/systemd/journal/socket"};

bool stderr_is_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat facts {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &facts) != 0) return false;
  return stream == std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino);
}

}  // namespace

std::optional<Journal> Journal::of_stderr() {
  if (!stderr_is_journal() || ::access(kAddress.sun_path, W_OK) != 0) return std::nullopt;
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return std::nullopt;
  return Journal(std::move(socket));
}

bool Journal::send(const std::vector<JournalField>& entry) const {
  // To the address each time: the socket may be another one after the journal was restarted.
  const std::string datagram = encode_journal_entry(entry);
  const auto sent = ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const ::sockaddr*>(&kAddress), sizeof kAddress);
  return sent == static_cast<ssize_t>(datagram.size());
}

std::string encode_journal_entry(const std::vector<JournalField>& entry) {
  std::string out;
  for (const auto& [name, value] : entry) {
    out += name;
    if (value.find('\n') == std::string::npos) {
      out += '=' + value + '\n';
      continue;
    }
    out += '\n';
    const auto size = static_cast<std::uint64_t>(value.size());
    for (unsigned shift = 0; shift < 64; shift += 8) {
      out += static_cast<char>((size >> shift) & 0xFFU);
    }
    out += value + '\n';
  }
  return out;
}

}  // namespace dixis
