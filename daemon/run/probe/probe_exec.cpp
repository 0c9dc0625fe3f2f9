// A command of the app's user as a probe. Nothing of it outlives the answer.
#include <boost/asio.hpp>

#include "common/utf8.hpp"
#include "daemon/logs/within.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/command_run.hpp"
#include "daemon/run/executable.hpp"
#include "daemon/run/probe/probe_kinds.hpp"

namespace dixis {

namespace {

std::string in_words(const ExitStatus& status, const std::string& name, const std::string& output) {
  std::string out = name;
  if (status.code) {
    out += " exited with " + std::to_string(*status.code);
  } else {
    out += " was killed by " + (status.signal ? signal_name(*status.signal) : "a signal");
  }
  constexpr std::size_t kShown = 200;
  const auto line = valid_utf8(last_line(output).substr(0, kShown));
  return line.empty() ? out : out + ": " + line;
}

SpawnRequest spawn_request(const ProbeTarget& target, const ExecProbe& probe,
                           std::string executable) {
  SpawnRequest out;
  out.executable = std::move(executable);
  out.argv = probe.command;
  auto environment = target.plan.environment;
  environment.erase("DIXIS_TREE");  // its own comes with the run
  out.environment = to_envp(environment);
  out.cwd = target.cwd.string();
  out.credentials = target.plan.credentials;
  return out;
}

}  // namespace

Task<ProbeAnswer> ask_exec(Services& services, ProbeTarget target, ExecProbe probe,
                           Milliseconds timeout) {
  const std::string name = std::filesystem::path(probe.command.front()).filename().string();
  AppSpec spec;
  spec.name = target.app;
  spec.cwd = target.cwd;
  auto find = [program = probe.command.front(), spec, plan = target.plan] {
    return find_executable(program, spec, plan);
  };
  auto finding = services.slow_worker.run(std::move(find));
  const auto executable = co_await within(timeout, std::move(finding));
  if (!executable) co_return ProbeAnswer{false, name + ": looking for it took too long", 0};
  if (!*executable) co_return ProbeAnswer{false, executable->error().message, 0};

  auto request = spawn_request(target, probe, **executable);
  const auto end = co_await run_command(services, std::move(request), target.tree_mark, timeout);
  if (end.error) co_return ProbeAnswer{false, end.error->message, 0};
  if (!end.in_time) {
    co_return ProbeAnswer{
        false,
        name + " did not end within " + std::to_string(timeout.count()) + " ms, and was killed", 0};
  }
  const bool good = end.status.code == 0;
  co_return ProbeAnswer{good, in_words(end.status, name, end.output), 0};
}

}  // namespace dixis
