#include "daemon/run/command_run.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/logs/within.hpp"
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

/// What is there now, for whom has no time to wait for the end of all writers.
void read_rest(Run& run, int pipe) {
  std::array<char, kOutputBytes> chunk{};
  for (ssize_t size = 0; (size = ::read(pipe, chunk.data(), chunk.size())) > 0;) {
    run.output.append(chunk.data(), static_cast<std::size_t>(size));
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

Task<ExitStatus> wait_exit(Services& services, std::shared_ptr<Run> run) {
  co_return co_await services.reaper.wait_exit(run->process);
}

}  // namespace

Task<CommandEnd> run_command(Services& services, SpawnRequest request, std::string tree_mark,
                             Milliseconds limit) {
  CommandEnd end{.in_time = false};
  auto pipe = make_pipe();
  if (!pipe) {
    end.error = pipe.error();
    co_return end;
  }
  request.stdout_fd = request.stderr_fd = pipe->write.get();
  request.environment.push_back("DIXIS_TREE=" + tree_mark);
  auto child = spawn_gated(request);
  if (!child) {
    end.error = Error{describe(child.error(), request)};
    co_return end;
  }
  services.reaper.hold(child->process.pid);
  pipe->write.reset();
  const auto run = std::make_shared<Run>();
  run->tree = {std::move(tree_mark), child->process.pid, child->process.start_ticks};
  run->process = std::move(child->process);
  const Cleaning cleaning(services, run);
  const UniqueFd rest(::fcntl(pipe->read.get(), F_DUPFD_CLOEXEC, 0));
  asio::co_spawn(services.loop, read_output(run, std::move(pipe->read)), asio::detached);
  const auto failure = co_await open_gate(*child);
  if (failure) {
    end.error = Error{describe(*failure, request)};
    co_return end;
  }
  auto waiting = wait_exit(services, run);
  const auto status = co_await within(limit, std::move(waiting));
  end.in_time = status.has_value();
  if (status) end.status = *status;
  read_rest(*run, rest.get());
  end.output = run->output;
  co_return end;
}

std::string last_line(const std::string& output) {
  const auto end = output.find_last_not_of("\r\n \t");
  if (end == std::string::npos) return "";
  const auto begin = output.find_last_of('\n', end);
  return output.substr(begin == std::string::npos ? 0 : begin + 1,
                       end - (begin == std::string::npos ? std::size_t(-1) : begin));
}

}  // namespace dixis
