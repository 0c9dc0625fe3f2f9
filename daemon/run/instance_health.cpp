// The probes of a generation: before it is proven, while it serves, and when somebody asks.
#include <algorithm>
#include <chrono>

#include "daemon/model/command_facts.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/run/probe/probe.hpp"
#include "daemon/run/probe/probe_schedule.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

/// How often a start asks for health until it is well.
constexpr Milliseconds kProofInterval{200};

ProbeReport report_of(const ProbeSpec& spec, const ProbeAnswer& answer) {
  ProbeReport out;
  out.probe = spec.name;
  out.good = answer.good;
  out.message = answer.text;
  out.latency_ms = answer.latency_ms;
  out.at = wall_clock_now();
  return out;
}

}  // namespace

/// The probes of the configuration; without any, a Next app is asked for its manifest.
std::vector<ProbeSpec> Instance::probes_of(const Generation& generation) const {
  if (spec_.health.probes) return *spec_.health.probes;
  const bool next = (generation.build && generation.build->next) ||
                    next_kind(generation.plan.argv) == NextKind::dev;
  if (!next || (!generation.plan.listen && spec_.held.empty())) return {};
  ProbeSpec manifest;
  manifest.what = ManifestProbe{};
  manifest.name = "manifest";
  return {manifest};
}

bool Instance::serves(std::uint64_t generation) const {
  return runs(generation) && slot_.current->phase == machine::Phase::serving;
}

ProbeTarget Instance::probe_target(const Generation& generation, const ProbeSpec& spec) {
  ProbeTarget out;
  out.app = spec_.name;
  out.listen = generation.found_at ? generation.found_at : generation.plan.listen;
  out.socket = private_socket(generation);
  if (generation.build) {
    out.build_id = generation.build->id;
    out.base_path = generation.build->config.base_path;
  }
  if (std::holds_alternative<ExecProbe>(spec.what)) {
    out.plan = generation.plan;
    out.cwd = spec_.cwd;
    out.tree_mark =
        probe_mark_prefix() + std::to_string(++probe_runs_) + "@" + std::to_string(boottime_ms());
  }
  return out;
}

/// One answer, now. What says it by itself is not asked.
Task<ProbeReport> Instance::ask(std::shared_ptr<Generation> generation, ProbeSpec spec) {
  ProbeAnswer answer;
  if (const auto* notify = std::get_if<NotifyProbe>(&spec.what)) {
    answer = notify_answer(*generation, *notify, spec.interval);
  } else {
    auto target = probe_target(*generation, spec);
    answer = co_await run_probe(services_, std::move(target), spec);
  }
  ProbeReport report = report_of(spec, answer);
  report.app = spec_.name;
  report.instance = number_;
  co_return report;
}

Task<bool> Instance::prove_health(std::shared_ptr<Generation> generation) {
  const auto number = generation->number;
  const auto proving = [&] {
    return runs(number) && slot_.current->phase == machine::Phase::proving;
  };
  while (proving()) {
    for (std::size_t index = 0; index < generation->health.probes().size(); ++index) {
      const ProbeSpec spec = generation->health.probes()[index];
      auto report = co_await ask(generation, spec);
      if (!proving()) co_return false;
      generation->health.note(index, std::move(report), boottime_ms());
    }
    if (generation->health.well()) co_return true;
    co_await generation->said.wait(kProofInterval);
  }
  co_return false;
}

void Instance::begin_monitoring(const std::shared_ptr<Generation>& generation) {
  begin_following_memory(generation);
  for (std::size_t index = 0; index < generation->health.probes().size(); ++index) {
    const auto& spec = generation->health.probes()[index];
    const auto* const notify = std::get_if<NotifyProbe>(&spec.what);
    if (notify == nullptr || notify->watchdog) spawn(monitor(generation, index));
  }
}

/// The configuration has other probes now: they are asked from now on, and what the old ones said
/// no longer counts.
void Instance::renew_probes(const std::shared_ptr<Generation>& generation) {
  auto probes = probes_of(*generation);
  if (probes == generation->health.probes()) return;
  generation->health = HealthBook(std::move(probes));
  ++generation->health_book;
  generation->left.notify_all();
  if (slot_.state == State::unhealthy && generation->flaw.empty()) {
    apply(machine::Recovered{generation->number});
  }
  begin_monitoring(generation);
}

/// Asks one probe on its schedule.
Task<void> Instance::monitor(std::shared_ptr<Generation> generation, std::size_t index) {
  using Clock = ProbeSchedule::Clock;
  const auto self = shared_from_this();
  const ProbeSpec spec = generation->health.probes()[index];
  const auto book = generation->health_book;
  const auto goes_on = [&] {
    return serves(generation->number) && !generation->ending_itself &&
           book == generation->health_book;
  };
  const double phase = std::uniform_real_distribution<double>(0, 1)(services_.random);
  ProbeSchedule schedule(Clock::now(), spec.interval, phase);
  while (goes_on()) {
    const auto left = schedule.left(Clock::now());
    if (left > 0ms && co_await generation->left.wait(left)) continue;
    auto report = co_await ask(generation, spec);
    if (!goes_on()) co_return;
    note(*generation, index, std::move(report));
    schedule.answered(Clock::now());
  }
}

void Instance::note(Generation& generation, std::size_t index, ProbeReport report) {
  const bool good = report.good;
  const auto name = report.probe + ": " + report.message;
  const bool was_bad = !generation.health.complaint().empty();
  const auto change = generation.health.note(index, std::move(report), boottime_ms());
  switch (change) {
    case HealthBook::Change::fell_ill:
      return unwell(generation, generation.health.complaint());
    case HealthBook::Change::recovered:
      apply(machine::Recovered{generation.number});
      return mark_flaw(generation);
    case HealthBook::Change::none:
      break;
  }
  if (generation.unwell_before && generation.health.well()) {
    generation.unwell_before = false;
    apply(machine::Recovered{generation.number});
  }
  // Its first bad answer is worth a line; that it goes on is not.
  if (!good && !was_bad) {
    publish({.type = "probe", .generation = generation.number, .message = name});
  }
}

/// Ill: ended and replaced, or only marked. While a build is at work in place a living process is
/// left alone: it couldn't come back.
void Instance::unwell(Generation& generation, const std::string& complaint) {
  const bool building = build_on_disk_ && !build_on_disk_->complete;
  const bool wanted = spec_.health.on_unhealthy == OnUnhealthy::restart &&
                      spec_.restart.on != RestartPolicy::On::never;
  std::string message = complaint;
  if (wanted && building) {
    message +=
        "; not restarted while the build on disk is incomplete (" + build_on_disk_->missing + ")";
  }
  marked_for_build_ = wanted && building;
  const auto since = slot_.current->proven_at_ms.value_or(boottime_ms());
  apply(machine::Unhealthy{generation.number, std::move(message), wanted && !building,
                           generation.health.well_until(since)});
}

Task<std::vector<ProbeReport>> Instance::probe_now() {
  struct Answers {
    std::vector<ProbeReport> reports{};
    std::size_t open = 0;
    Notifier changed{};
  };
  const auto self = shared_from_this();
  const auto generation = generation_;
  if (!generation || !generation->exec_ms) co_return std::vector<ProbeReport>{};
  const auto answers = std::make_shared<Answers>();
  const auto probes = generation->health.probes();
  answers->reports.resize(probes.size());
  answers->open = probes.size();
  for (std::size_t index = 0; index < probes.size(); ++index) {
    spawn([](std::shared_ptr<Instance> own, std::shared_ptr<Generation> of, ProbeSpec spec,
             std::shared_ptr<Answers> into, std::size_t at) -> Task<void> {
      auto report = co_await own->ask(of, spec);
      into->reports[at] = std::move(report);
      --into->open;
      into->changed.notify_all();
    }(self, generation, probes[index], answers, index));
  }
  while (answers->open > 0) co_await answers->changed.wait();
  co_return std::move(answers->reports);
}

}  // namespace dixis
