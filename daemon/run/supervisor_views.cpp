// What list and describe show.
#include <algorithm>
#include <set>

#include "common/json.hpp"
#include "daemon/logs/within.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/run/port_check.hpp"
#include "daemon/run/strangers.hpp"
#include "daemon/run/supervisor_impl.hpp"
#include "daemon/run/usage.hpp"
#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

/// One process that hangs in the kernel can hold up a look at /proc; who asks gets what is known
/// without it.
constexpr Milliseconds kLookLimit{1000};

std::vector<Usage> measure_all(const std::vector<std::pair<pid_t, std::string>>& trees) {
  std::vector<Usage> out;
  out.reserve(trees.size());
  for (const auto& [leader, cgroup] : trees) out.push_back(measure(leader, cgroup));
  return out;
}

/// Percent of one core over the window since the last look (of at most a minute ago), or since the
/// generation began.
void fill_cpu(InstanceStatus& status, const Usage& usage, Supervisor::Impl::CpuSample& last) {
  const auto now = boottime_ms();
  Supervisor::Impl::CpuSample base = last;
  const bool usable = base.generation == status.generation && now - base.at_ms < 60'000;
  if (!usable) base = {*status.generation, now - status.uptime_ms.value_or(0), 0};
  const auto window = now - base.at_ms;
  if (window > 0 && usage.cpu_us >= base.cpu_us) {
    const double used_ms = static_cast<double>(usage.cpu_us - base.cpu_us) / 1000.0;
    status.cpu_percent = 100.0 * used_ms / static_cast<double>(window);
    status.cpu_window_ms = window;
  }
  // A sample stays for a second, so that quick looks in a row still span a window.
  if (!usable || window >= 1000) last = {*status.generation, now, usage.cpu_us};
}

std::string sample_key(const InstanceStatus& status) {
  return status.app + ":" + std::to_string(status.instance);
}

/// The parts of a description that only /proc knows. Worker only.
struct TreeFacts {
  std::vector<TreeProcess> tree{};
  std::vector<Stranger> strangers{};
  std::vector<std::string> listeners{};
  bool of_cgroup = false;  ///< where memory and CPU come from
};

/// What makes a tree the app's own.
struct TreeQuestion {
  TreeKey key{};
  std::string executable{};
  std::string cwd{};
};

TreeProcess portrait_of(const ProcessFacts& member, const Home& home) {
  const auto portrait = portray(member.pid);
  TreeProcess out{.pid = member.pid,
                  .parent = member.parent,
                  .command = portrait.command,
                  .user = portrait.user,
                  .memory_bytes = member.rss_bytes};
  const auto lived_ms = boottime_ms() - ticks_to_ms(member.start_ticks);
  if (lived_ms > 0) {
    const auto used_ms = static_cast<double>(ticks_to_ms(member.cpu_ticks));
    out.cpu_percent = 100.0 * used_ms / static_cast<double>(lived_ms);
  }
  if (const auto program = program_of(member.pid)) {
    out.exe = program->exe;
    out.stranger = why_stranger(*program, home);
  }
  return out;
}

TreeFacts look_at_tree(const TreeQuestion& question) {
  TreeFacts out;
  const auto& key = question.key;
  out.of_cgroup = !key.cgroup.empty() && counts_memory(key.cgroup);
  const auto members = tree_members(read_process_table(true), key);
  const Home home = home_of(key.leader, question.executable, question.cwd);
  std::vector<pid_t> pids;
  for (const auto& member : members) {
    out.tree.push_back(portrait_of(member, home));
    const auto& process = out.tree.back();
    if (process.stranger) out.strangers.push_back({member.pid, *process.exe, *process.stranger});
    pids.push_back(member.pid);
  }
  const auto listeners = tcp_listeners();
  if (!listeners) return out;
  for (const auto& listener : *listeners) {
    for (const auto pid : socket_holders(listener.inode, pids)) {
      out.listeners.push_back(to_text(listener) + " (pid " + std::to_string(pid) + ")");
    }
  }
  return out;
}

}  // namespace

Task<std::vector<InstanceStatus>> Supervisor::Impl::statuses(std::vector<Target> targets) {
  std::vector<InstanceStatus> out;
  std::vector<std::pair<pid_t, std::string>> trees;
  std::vector<std::size_t> rows;
  for (const auto& target : targets) {
    out.push_back(target.instance->status(desired_of(*target.instance)));
    if (!out.back().pid) continue;
    trees.emplace_back(static_cast<pid_t>(*out.back().pid),
                       target.instance->generation()->tree.cgroup);
    rows.push_back(out.size() - 1);
  }
  if (trees.empty()) co_return out;
  auto work = [trees] { return measure_all(trees); };
  auto measuring = services.proc_worker.run(std::move(work));
  const auto measured = co_await within(kLookLimit, std::move(measuring));
  if (!measured) co_return out;
  for (std::size_t i = 0; i < measured->size(); ++i) {
    auto& status = out[rows[i]];
    const Usage& usage = (*measured)[i];
    if (usage.memory_bytes > 0) status.memory_bytes = usage.memory_bytes;
    fill_cpu(status, usage, cpu_samples[sample_key(status)]);
  }
  co_return out;
}

Task<Description> Supervisor::Impl::describe(Target target) {
  const auto instance = target.instance;
  const auto& spec = instance->spec();
  Description out;
  std::vector<Target> one;
  one.push_back(target);
  auto rows = co_await statuses(std::move(one));
  out.status = std::move(rows.front());
  out.command = spec.command;
  out.resolved_command = instance->last_argv();
  out.cwd = spec.cwd.string();
  out.user = spec.user;
  out.defined_at = spec.defined_at.file + ":" + std::to_string(spec.defined_at.line);
  const auto logs = log_settings_of(spec);
  const auto number = instance->number();
  out.out_log = services.capture.file(logs, number, LogStream::out).string();
  out.err_log = services.capture.file(logs, number, LogStream::err).string();
  out.after = spec.after;
  out.tags = spec.tags;
  out.memory_source = "tree";
  out.limits = instance->limits_view();
  out.health_history = instance->health_history();
  out.death = instance->last_record();
  if (!out.death) out.death = co_await last_death(instance);
  if (const auto generation = instance->generation(); generation && out.status.pid) {
    for (const auto& [name, value] : generation->plan.environment) out.environment.push_back(name);
    out.timeline = generation->timeline;
    if (!generation->tree.cgroup.empty()) out.cgroup = generation->tree.cgroup;
    TreeQuestion question{generation->tree, generation->plan.executable, spec.cwd.string()};
    auto work = [question = std::move(question)] { return look_at_tree(question); };
    auto looking = services.proc_worker.run(std::move(work));
    auto facts = co_await within(kLookLimit, std::move(looking));
    if (!facts) co_return out;
    out.tree = std::move(facts->tree);
    out.listeners = std::move(facts->listeners);
    if (facts->of_cgroup) out.memory_source = "cgroup";
    if (instance->generation() == generation) instance->tell_strangers(facts->strangers);
  }
  co_return out;
}

std::string Supervisor::status_line() const {
  std::map<State, std::vector<std::string>> slots;
  for (const auto& [name, app] : impl_->apps) {
    for (const auto& slot : app.instances) slots[slot->slot().state].push_back(slot->label());
  }
  const auto apps = app_count();
  std::string out = "supervising " + std::to_string(apps) + (apps == 1 ? " app, " : " apps, ") +
                    std::to_string(slots[State::online].size()) + " online";
  constexpr std::size_t kNamed = 3;
  for (const auto& [state, names] : slots) {
    if (state == State::online || names.empty()) continue;
    out += ", " + std::to_string(names.size()) + " " + json::enum_name(state);
    for (std::size_t i = 0; i < std::min(kNamed, names.size()); ++i) {
      out += (i == 0 ? " (" : ", ") + names[i];
    }
    out += names.size() > kNamed ? ", …)" : ")";
  }
  return out;
}

Task<std::vector<InstanceStatus>> Supervisor::list(Targets targets) {
  co_return co_await impl_->statuses(resolve_targets(impl_->apps, targets));
}

Task<std::vector<Description>> Supervisor::describe(Targets targets) {
  std::vector<Description> out;
  for (auto& target : resolve_targets(impl_->apps, targets)) {
    auto description = co_await impl_->describe(std::move(target));
    out.push_back(std::move(description));
  }
  co_return out;
}

}  // namespace dixis
