#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/sys/fd.hpp"

namespace dixis {

/// One field of a journal entry. Names are of A-Z, 0-9 and _ (systemd.journal-fields(7)); a
/// literal.
struct JournalField {
  std::string_view name{};
  std::string value{};
};

/// The journal by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram an
/// entry, so that an entry can have fields. sd_journal_sendv(3) would wait for a journal that
/// hangs.
class Journal {
 public:
  /// Where stderr of this process goes to the journal (JOURNAL_STREAM, systemd.exec(5)) and its
  /// socket is there; else nullopt.
  static std::optional<Journal> of_stderr();

  /// Never waits. False: the journal has no room for it now, or isn't there.
  bool send(const std::vector<JournalField>& entry) const;

 private:
  explicit Journal(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

/// An entry as the protocol has it.
std::string encode_journal_entry(const std::vector<JournalField>& entry);

}  // namespace dixis
