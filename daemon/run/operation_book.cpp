#include "daemon/run/operation_book.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/sys/clock.hpp"
#include "daemon/sys/fault.hpp"

namespace dixis {

namespace {

// How long the end of a verb is kept for a client that lost its daemon, and how much of it.
constexpr std::int64_t kKeptMs = 10 * 60'000;
constexpr std::size_t kKept = 500;
constexpr std::size_t kKeptBytes = 8U << 20U;

}  // namespace

OperationBook::OperationBook(std::filesystem::path runtime_directory, std::string boot_id)
    : directory_(std::move(runtime_directory)), boot_id_(std::move(boot_id)) {}

void OperationBook::write(Entry& entry) {
  const auto written = write_operation(directory_, entry.record);
  if (written) {
    entry.bytes = *written;
  } else {
    spdlog::warn("{}; a crash of dixisd would leave that verb unfinished", written.error().message);
  }
}

void OperationBook::keep(const OperationPtr& operation) {
  operation->keep([this](const Operation& changed) { update(changed); });
}

void OperationBook::enter(const OperationPtr& operation, OperationRecord record) {
  drop_old_ones();
  record.id = operation->id();
  record.order = next_order_++;
  record.boot_id = boot_id_;
  record.deadline_ms = operation->deadline().count();
  Entry& entry = entries_[record.id];
  entry.running = operation;
  entry.record = std::move(record);
  fault::point("operation-missing");
  write(entry);
  fault::point("operation-accepted");
  keep(operation);
}

void OperationBook::plan(const std::string& id, std::vector<PlanItem> plan,
                         std::vector<OperationSlot> slots) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  auto& record = found->second.record;
  record.plan = std::move(plan);
  record.slots = std::move(slots);
  record.deadline_ms = found->second.running->deadline().count();
  write(found->second);
  fault::point("operation-planned");
}

void OperationBook::withdraw(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const auto operation = found->second.running;
  entries_.erase(found);
  remove_operation(directory_, id);
  if (operation) operation->withdraw();
}

void OperationBook::update(const Operation& operation) {
  const auto found = entries_.find(operation.id());
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (!operation.result()) {
    if (std::exchange(entry.record.remembered, operation.remembered())) return;
    return write(entry);
  }
  fault::point("operation-unended");
  entry.record.result = operation.result();
  entry.record.remembered = true;
  entry.record.ended_boot_ms = boottime_ms();
  write(entry);
  fault::point("operation-ended");
  entry.ended_ms = *entry.record.ended_boot_ms;
  entry.record = {};
  entry.running.reset();
}

std::optional<KnownOperation> OperationBook::find(const std::string& id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.running) return KnownOperation{entry.running, entry.record};
  const auto record = read_operation(directory_, id);
  if (!record) {
    OperationRecord lost;
    lost.id = id;
    lost.lost = "its record can't be read: " + record.error().message;
    return KnownOperation{std::make_shared<Operation>(id, std::chrono::milliseconds(0)), lost};
  }
  const auto operation =
      std::make_shared<Operation>(id, std::chrono::milliseconds(record->deadline_ms));
  if (record->result) {
    operation->set_remembered(record->result->not_durable);
    operation->finish(*record->result);
  }
  return KnownOperation{operation, *record};
}

std::vector<KnownOperation> OperationBook::take_back() {
  auto loaded = load_operations(directory_);
  for (const auto& report : loaded.reports) spdlog::warn("{}", report);
  std::vector<KnownOperation> unfinished;
  for (auto& record : loaded.records) {
    if (record.boot_id != boot_id_) {
      remove_operation(directory_, record.id);  // nothing of that boot is left
      continue;
    }
    next_order_ = std::max(next_order_, record.order + 1);
    Entry& entry = entries_[record.id];
    if (record.result || record.lost) {
      entry.ended_ms = record.ended_boot_ms.value_or(boottime_ms());
      continue;
    }
    entry.record = record;
    entry.running =
        std::make_shared<Operation>(record.id, std::chrono::milliseconds(record.deadline_ms));
    keep(entry.running);
    unfinished.push_back({entry.running, std::move(record)});
  }
  // Its client must not take it for one that never began.
  for (const auto& id : loaded.damaged) {
    Entry& entry = entries_[id];
    entry.ended_ms = boottime_ms();
    entry.record.id = id;
    entry.record.boot_id = boot_id_;
    entry.record.lost = "its record was damaged while no dixisd ran";
    entry.record.ended_boot_ms = entry.ended_ms;
    write(entry);
    entry.record = {};
  }
  return unfinished;
}

void OperationBook::drop_old_ones() {
  std::vector<std::pair<std::int64_t, std::string>> ended;
  std::size_t bytes = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry.running) continue;
    ended.emplace_back(entry.ended_ms, id);
    bytes += entry.bytes;
  }
  std::sort(ended.begin(), ended.end());
  std::size_t left = ended.size();
  const auto now = boottime_ms();
  for (const auto& [ended_ms, id] : ended) {
    if (ended_ms > now - kKeptMs && left <= kKept && bytes <= kKeptBytes) break;
    bytes -= entries_.at(id).bytes;
    --left;
    entries_.erase(id);
    remove_operation(directory_, id);
  }
}

}  // namespace dixis
