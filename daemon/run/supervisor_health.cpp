// What is known of health and of deaths.
#include <algorithm>
#include <exception>
#include <optional>

#include <spdlog/spdlog.h>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

/// Newest first of all; within each list the order stays, whatever the clock did.
std::vector<DeathRecord> merged(std::vector<std::vector<DeathRecord>> lists) {
  std::vector<DeathRecord> out;
  std::vector<std::size_t> heads(lists.size(), 0);
  while (true) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < lists.size(); ++i) {
      if (heads[i] == lists[i].size()) continue;
      // RFC 3339 in UTC sorts as text.
      if (!best || lists[*best][heads[*best]].death.at < lists[i][heads[i]].death.at) best = i;
    }
    if (!best) return out;
    out.push_back(std::move(lists[*best][heads[*best]++]));
  }
}

/// What the probes of several slots say, in the order of the slots.
struct Answers {
  explicit Answers(std::size_t count) : of_slot(count), awaited(count) {}
  std::vector<std::vector<ProbeReport>> of_slot;
  std::size_t awaited;
  Notifier ended{};
};

Task<void> probe_slot(InstancePtr instance, std::shared_ptr<Answers> answers, std::size_t slot) {
  try {
    answers->of_slot[slot] = co_await instance->probe_now();
  } catch (const std::exception& failure) {
    spdlog::error("{}: probing failed in the daemon itself: {}", instance->label(), failure.what());
  }
  --answers->awaited;
  answers->ended.notify_all();
}

}  // namespace

Task<std::optional<DeathRecord>> Supervisor::Impl::last_death(InstancePtr instance) {
  std::string app = instance->spec().name;
  auto found = co_await services.deaths.read(std::move(app), 1, instance->number());
  if (!found) spdlog::warn("{}", found.error().message);
  if (!found || found->empty()) co_return std::nullopt;
  co_return std::move(found->front());
}

Task<Result<std::vector<DeathRecord>>> Supervisor::deaths(Targets targets, std::size_t limit) {
  std::vector<std::vector<DeathRecord>> lists;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    std::string app = target.instance->spec().name;
    auto found =
        co_await impl_->services.deaths.read(std::move(app), limit, target.instance->number());
    if (!found) co_return found.error();
    lists.push_back(std::move(*found));
  }
  co_return merged(std::move(lists));
}

Task<std::vector<ProbeReport>> Supervisor::probe(Targets targets) {
  const auto slots = resolve_targets(impl_->apps, targets);
  const auto executor = co_await asio::this_coro::executor;
  const auto answers = std::make_shared<Answers>(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    asio::co_spawn(executor, probe_slot(slots[i].instance, answers, i), asio::detached);
  }
  while (answers->awaited > 0) co_await answers->ended.wait();
  std::vector<ProbeReport> out;
  for (auto& reports : answers->of_slot) {
    std::move(reports.begin(), reports.end(), std::back_inserter(out));
  }
  co_return out;
}

}  // namespace dixis
