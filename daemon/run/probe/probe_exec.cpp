// A command of the app's user as a probe. Nothing of it outlives the answer.
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio.hpp>

#include "common/utf8.hpp"
#include "daemon/logs/within.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/executable.hpp"
#include "daemon/run/probe/probe_kinds.hpp"
#include "daemon/run/stray.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
constexpr std::size_t kOutputBytes = 4096;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("cannot make a pipe", errno);
  Pipe out{UniqueFd(ends[0]), UniqueFd(ends[1])};
  ::fcntl(out.read.get(), F_SETFL, O_NONBLOCK);
  return out;
}

/// What is kept of the command while anybody waits for it, and until its tree is gone.
struct Run {
  Process process{};
  TreeKey tree{};
  std::string output{};
};

/// Reads until nobody writes any more; keeps the last bytes.
Task<void> read_output(std::shared_ptr<Run> run, UniqueFd pipe) {
  asio::posix::stream_descriptor input(co_await asio::this_coro::executor, pipe.release());
  std::array<char, kOutputBytes> chunk{};
  while (true) {
    const auto [error, size] =
        co_await input.async_read_some(asio::buffer(chunk), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    run->output.append(chunk.data(), size);
    if (run->output.size() > kOutputBytes) run->output.erase(0, run->output.size() - kOutputBytes);
  }
}

/// Kills what is left of the tree, waits until it is gone, and reaps the leader.
Task<void> clean_up(Services& services, std::shared_ptr<Run> run) {
  signal_group(run->process.pid, SIGKILL);
  while (true) {
    const auto members = co_await services.trees.members(run->tree);
    if (members.empty()) break;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    co_await end_members(members, services.reaper, SIGKILL, until);
  }
  co_await services.reaper.wait_exit(run->process);
  services.reaper.release(run->process.pid);
}

/// Sees to it that the tree goes, also when nobody waits for the answer any more.
class Cleaning {
 public:
  Cleaning(Services& services, std::shared_ptr<Run> run)
      : services_(services), run_(std::move(run)) {}
  ~Cleaning() {
    asio::co_spawn(services_.loop, clean_up(services_, run_), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
  }
  Cleaning(const Cleaning&) = delete;
  Cleaning& operator=(const Cleaning&) = delete;

 private:
  Services& services_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::shared_ptr<Run> run_;
};

std::string last_line(const std::string& output) {
  const auto end = output.find_last_not_of("\r\n \t");
  if (end == std::string::npos) return "";
  const auto begin = output.find_last_of('\n', end);
  return output.substr(begin == std::string::npos ? 0 : begin + 1,
                       end - (begin == std::string::npos ? std::size_t(-1) : begin));
}

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
                           std::string executable, int output) {
  SpawnRequest out;
  out.executable = std::move(executable);
  out.argv = probe.command;
  auto environment = target.plan.environment;
  environment["DIXIS_TREE"] = target.tree_mark;
  out.environment = to_envp(environment);
  out.cwd = target.cwd.string();
  out.credentials = target.plan.credentials;
  out.stdout_fd = output;
  out.stderr_fd = output;
  return out;
}

Task<ExitStatus> wait_exit(Services& services, std::shared_ptr<Run> run) {
  co_return co_await services.reaper.wait_exit(run->process);
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

  auto pipe = make_pipe();
  if (!pipe) co_return ProbeAnswer{false, pipe.error().message, 0};
  const auto request = spawn_request(target, probe, **executable, pipe->write.get());
  auto child = spawn_gated(request);
  if (!child) co_return ProbeAnswer{false, describe(child.error(), request), 0};
  services.reaper.hold(child->process.pid);
  pipe->write.reset();
  const auto run = std::make_shared<Run>();
  run->tree = {target.tree_mark, child->process.pid, child->process.start_ticks};
  run->process = std::move(child->process);
  const Cleaning cleaning(services, run);
  asio::co_spawn(services.loop, read_output(run, std::move(pipe->read)), asio::detached);
  const auto failure = co_await open_gate(*child);
  if (failure) co_return ProbeAnswer{false, describe(*failure, request), 0};

  auto waiting = wait_exit(services, run);
  const auto status = co_await within(timeout, std::move(waiting));
  if (!status) {
    co_return ProbeAnswer{
        false,
        name + " did not end within " + std::to_string(timeout.count()) + " ms, and was killed", 0};
  }
  const bool good = status->code == 0;
  co_return ProbeAnswer{good, in_words(*status, name, run->output), 0};
}

}  // namespace dixis
