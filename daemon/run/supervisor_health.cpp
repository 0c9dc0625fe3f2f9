// What why and probe ask for.
#include <algorithm>
#include <set>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

Task<std::vector<DeathRecord>> Supervisor::deaths(Targets targets, std::size_t limit) {
  std::vector<DeathRecord> out;
  std::map<std::string, std::set<std::uint32_t>> slots;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    slots[target.instance->spec().name].insert(target.instance->number());
  }
  for (const auto& slot : slots) {
    const auto& numbers = slot.second;
    std::string name = slot.first;
    auto all = co_await impl_->services.deaths.read(std::move(name), 50);
    std::erase_if(all, [&](const DeathRecord& one) { return !numbers.contains(one.instance); });
    if (all.size() > limit) all.resize(limit);
    std::move(all.begin(), all.end(), std::back_inserter(out));
  }
  // RFC 3339 in UTC sorts as text.
  std::stable_sort(out.begin(), out.end(), [](const DeathRecord& left, const DeathRecord& right) {
    return left.death.at > right.death.at;
  });
  co_return out;
}

namespace {

/// The answers of all slots, in their order.
struct Round {
  std::vector<std::vector<ProbeReport>> answers{};
  std::size_t open = 0;
  Notifier changed{};
};

Task<void> ask_slot(InstancePtr slot, std::shared_ptr<Round> round, std::size_t index) {
  auto answers = co_await slot->probe_now();
  round->answers[index] = std::move(answers);
  --round->open;
  round->changed.notify_all();
}

}  // namespace

Task<std::vector<ProbeReport>> Supervisor::probe(Targets targets) {
  const auto slots = resolve_targets(impl_->apps, targets);
  const auto round = std::make_shared<Round>();
  round->answers.resize(slots.size());
  round->open = slots.size();
  for (std::size_t index = 0; index < slots.size(); ++index) {
    boost::asio::co_spawn(impl_->services.loop, ask_slot(slots[index].instance, round, index),
                          [](const std::exception_ptr& error) {
                            if (error) std::rethrow_exception(error);
                          });
  }
  while (round->open > 0) co_await round->changed.wait();
  std::vector<ProbeReport> out;
  for (auto& answers : round->answers) {
    std::move(answers.begin(), answers.end(), std::back_inserter(out));
  }
  co_return out;
}

}  // namespace dixis
