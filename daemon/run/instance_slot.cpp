// What of the slot would be lost with the daemon: noted at each change, and taken up again.
#include <algorithm>

#include "common/json.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/run/slot_record.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

void Instance::note_slot() {
  if (beside_ || heir_) return;  // the slot is another's
  auto record = to_record(slot_);
  record.app = spec_.name;
  record.instance = number_;
  record.boot_id = services_.boot;
  if (slot_.timers.backoff) record.retry_at_ms = retry_at_ms_;
  if (last_death_) record.last_death = json::write(*last_death_).as_object();
  if (noted_) record.unknown = noted_->unknown;
  if (noted_ && record == *noted_) return;
  // One that can't be written costs what the next daemon would have known; the start has said
  // already whether the runtime directory can be written at all.
  if (write_slot(services_.runtime_directory, record)) noted_ = std::move(record);
}

void Instance::remember(const SlotRecord& record) {
  noted_ = record;
  Death death;
  if (record.last_death && json::read(boost::json::value(*record.last_death), death)) {
    last_death_ = std::move(death);
  }
}

void Instance::take_up(Desired desired) {
  slot_.desired = desired;
  if (!noted_) return;
  const auto left = noted_->retry_at_ms.value_or(0) - boottime_ms();
  apply(machine::Resumed{from_record(*noted_), Milliseconds(std::max<std::int64_t>(left, 0))});
}

void Instance::note_lost(std::uint64_t generation, bool proven, Desired desired) {
  slot_.desired = desired;
  std::optional<machine::Slot> before;
  if (noted_) before = from_record(*noted_);
  apply(machine::Lost{generation, proven, std::move(before)});
}

}  // namespace dixis
