#pragma once

#include <vector>

#include "common/model.hpp"
#include "daemon/sys/systemd/journal.hpp"

namespace dixis {

/// What an event is about, for the journal: EVENT, APP, INSTANCE, GENERATION, OBJECT_PID (with it
/// `journalctl -u SCOPE` finds the entry), of a death HOW, CAUSE, EXIT_CODE and SIGNAL, and
/// MESSAGE_ID where systemd/dixis.catalog explains such an event.
std::vector<JournalField> journal_fields(const Event& event);

}  // namespace dixis
