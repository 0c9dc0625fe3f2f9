#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <spdlog/spdlog.h>

#include "common/json.hpp"
#include "common/version.hpp"
#include "daemon/logs/log_reading.hpp"
#include "daemon/model/config.hpp"
#include "daemon/run/build/build_on_disk.hpp"
#include "daemon/run/file_limit.hpp"
#include "daemon/run/supervisor.hpp"
#include "daemon/serve/control_socket.hpp"
#include "daemon/serve/inheritance.hpp"
#include "daemon/serve/logging.hpp"
#include "daemon/serve/options.hpp"
#include "daemon/serve/predecessor.hpp"
#include "daemon/serve/server.hpp"
#include "daemon/serve/systemd_service.hpp"
#include "daemon/sys/image.hpp"
#include "daemon/sys/keeper.hpp"

namespace asio = boost::asio;
using namespace dixis;

namespace {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kConfigInvalid = 7, kInterrupted = 130 };

int fail(const Error& error) {
  std::cerr << "dixisd: " << error.message << '\n';
  if (!error.hint.empty()) std::cerr << "        " << error.hint << '\n';
  return kFailed;
}

std::string counted(std::size_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

int check_as_json(const LoadedConfig& loaded) {
  boost::json::object out;
  out["valid"] = loaded.ok();
  out["problems"] = json::write(loaded.problems);
  std::cout << boost::json::serialize(out) << '\n';
  return loaded.ok() ? kOk : kConfigInvalid;
}

int check(const DefaultPaths& paths, bool as_json) {
  LoadedConfig loaded = load_config(paths.config);
  if (loaded.ok()) {
    for (auto& pitfall : build_pitfalls(loaded.config))
      loaded.problems.push_back(std::move(pitfall));
  }
  if (as_json) return check_as_json(loaded);
  for (const auto& problem : loaded.problems) std::cerr << format_problem(problem) << '\n';
  if (!loaded.ok()) return kConfigInvalid;
  std::cout << paths.config.string() << ": good, " << counted(loaded.config.apps.size(), "app");
  if (!loaded.problems.empty()) std::cout << ", " << counted(loaded.problems.size(), "warning");
  std::cout << '\n';
  return kOk;
}

void announce_ready(int fd) {
  constexpr std::string_view kReady = "READY=1\n";
  if (::write(fd, kReady.data(), kReady.size()) < 0) {
    spdlog::warn("cannot write READY=1 to descriptor {}", fd);
  }
  ::close(fd);
}

/// Remembers that somebody asked, even if nobody waits for it yet.
struct Request {
  bool asked = false;
  Notifier changed{};

  void ask() {
    asked = true;
    changed.notify_all();
  }
};

/// One load at a time: however many signals come during one, a single one follows.
Task<void> load_when_asked(Supervisor& supervisor, Request& load) {
  const Caller caller{::getpid(), static_cast<std::int64_t>(::geteuid()), "SIGHUP", ""};
  while (!supervisor.shutting_down()) {
    while (!load.asked) co_await load.changed.wait();
    load.asked = false;
    const LoadReport report = co_await supervisor.load(std::nullopt, false, caller);
    for (const auto& problem : report.problems) spdlog::warn("{}", format_problem(problem));
    spdlog::info("SIGHUP: {}", report.operation ? "configuration loaded" : "nothing was changed");
  }
}

/// How the daemon ends.
struct End : Request {
  bool with_apps = true;
};

/// Under systemd a SIGTERM may mean the daemon alone.
Task<void> end_on_sigterm(Supervisor& supervisor, ServiceBus* bus, End& end) {
  end.with_apps = co_await apps_shall_stop(bus);
  spdlog::info(end.with_apps ? "SIGTERM: stopping all apps" : "SIGTERM: ending, apps run on");
  supervisor.request_shutdown();
}

/// What systemd has to do with this process.
struct Service {
  explicit Service(asio::io_context& loop)
      : manager(loop, [](const std::string& what) { spdlog::warn("{}", what); }) {
    // The system's manager is meant: a user's has another bus and no dixis.slice.
    if (manager.present() && ::geteuid() == 0) bus.emplace();
  }
  ServiceManager manager;
  std::optional<ServiceBus> bus{};

  ServiceBus* bus_or_null() { return bus ? &*bus : nullptr; }
};

/// SIGTERM and SIGINT ask for the end, SIGHUP for a load.
Task<void> watch_signals(asio::signal_set& signals, Supervisor& supervisor, Service& service,
                         Request& load, End& end) {
  bool interrupted = false;
  while (true) {
    const auto [error, signal] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    if (signal == SIGHUP) {
      load.ask();
      continue;
    }
    if (signal == SIGINT && interrupted) {
      spdlog::error("interrupted again: exiting at once; apps that are not stopped run on");
      ::_exit(kInterrupted);
    }
    if (signal == SIGTERM && service.manager.present()) {
      co_await end_on_sigterm(supervisor, service.bus_or_null(), end);
      continue;
    }
    interrupted = interrupted || signal == SIGINT;
    spdlog::info("{}: stopping all apps", signal == SIGINT ? "SIGINT" : "SIGTERM");
    supervisor.request_shutdown();
  }
}

Task<void> watch_requests(Supervisor& supervisor, Request& end) {
  co_await supervisor.shutdown_requested().wait();
  end.ask();
}

/// Ends the daemon, and with it the apps unless they shall run on.
Task<void> end_all(Supervisor& supervisor, Service& service, bool with_apps) {
  service.manager.tell("STOPPING=1");
  if (!with_apps) co_return co_await supervisor.leave();
  const auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, ask_for_time(service.manager), asio::detached);
  co_await stop_control_socket(service.bus_or_null());
  co_await supervisor.shut_down();
}

Task<void> live(Supervisor& supervisor, Server& server, Service& service, End& end,
                std::string socket, std::optional<int> ready_fd,
                std::optional<std::string> predecessor, std::optional<Succession>& succession) {
  if (predecessor) supervisor.note_predecessor(std::move(*predecessor));
  // Who connects meanwhile waits in the socket's queue: no verb comes before all is taken back.
  co_await supervisor.run();
  server.start();
  spdlog::info("ready: control socket {}, {}", socket, counted(supervisor.app_count(), "app"));
  if (succession) answer_upgrade(server, *succession);
  succession.reset();
  if (ready_fd) announce_ready(*ready_fd);
  service.manager.tell("READY=1");
  const auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, report_status(service.manager, supervisor), asio::detached);
  while (!end.asked) co_await end.changed.wait();
  co_await end_all(supervisor, service, end.with_apps);
  co_await server.close();
}

/// The supervisor's coroutines are in the middle of something: nothing is torn down.
[[noreturn]] void explain_and_exit(std::exception_ptr failure,
                                   const std::optional<Succession>& succession,
                                   const std::vector<std::string>& arguments) {
  std::string what = "internal error";
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const std::exception& error) {
    what += std::string(": ") + error.what();
  } catch (...) {
  }
  spdlog::critical("{}; apps run on", what);
  if (succession) succession->go_back(what, arguments);
  ::_exit(kFailed);
}

class Loop : public asio::io_context {
 public:
  Loop() : asio::io_context(1) {}

  /// Destroys, at the end of its scope, the coroutines that still wait: before what they refer to.
  class Cut {
   public:
    explicit Cut(Loop& loop) : loop_(loop) {}
    ~Cut() { loop_.shutdown(); }
    Cut(const Cut&) = delete;
    Cut& operator=(const Cut&) = delete;

   private:
    Loop& loop_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  };
};

int serve(const Options& options, Config config, const RuntimeLock& lock, ControlSocket socket,
          Inheritance& inheritance, EventLog event_log) {
  Loop loop;
  const auto& paths = options.paths;
  Service service(loop);
  Supervisor supervisor(loop, {paths.config, paths.runtime_dir, paths.state_dir, paths.log_dir},
                        std::move(config));
  supervisor.events().log_with(std::move(event_log));
  if (service.bus) supervisor.use_scopes(*service.bus);
  supervisor.keeper().use_store(service.manager);
  supervisor.keeper().inherit(std::move(inheritance.stored), true);
  if (inheritance.succession)
    supervisor.keeper().inherit(inheritance.succession->kept(false), false);
  supervisor.use_upgrade({lock.fd.get(), socket.listener.get(), socket.ours,
                          std::move(inheritance.environment), &service.manager});
  Server server(loop, supervisor, std::move(socket.listener));
  asio::signal_set signals(loop, SIGTERM, SIGINT, SIGHUP);
  unblock_signals();  // blocked since a predecessor's exec: what came meanwhile comes now
  Request load;
  End end;
  std::exception_ptr failure;
  const Loop::Cut before_all_else(loop);
  asio::co_spawn(loop, watch_signals(signals, supervisor, service, load, end), asio::detached);
  asio::co_spawn(loop, feed_watchdog(service.manager), asio::detached);
  asio::co_spawn(loop, load_when_asked(supervisor, load), asio::detached);
  asio::co_spawn(loop, watch_requests(supervisor, end), asio::detached);
  asio::co_spawn(loop,
                 live(supervisor, server, service, end, socket.path.string(), options.ready_fd,
                      how_predecessor_ended(paths.runtime_dir, lock.found), inheritance.succession),
                 [&](std::exception_ptr error) {
                   failure = error;
                   loop.stop();
                 });
  loop.run();
  if (socket.ours) ::unlink(socket.path.c_str());
  if (failure) explain_and_exit(failure, inheritance.succession, arguments_of(paths));
  say_goodbye(lock);
  spdlog::info("ended");
  if (!end.with_apps) ::_exit(kOk);  // what looks after the apps ends where it is, as in a crash
  // Everything is done; what hangs in a name service or on a disk now would keep us for nothing.
  if (server.connection_count() > 0 || supervisor.log_reading().is_reading()) ::_exit(kOk);
  return kOk;
}

/// From the configuration to the end. An error: it never served.
Result<int> start(const Options& options, Inheritance& inheritance) {
  LoadedConfig loaded = load_config(options.paths.config);
  for (const auto& problem : loaded.problems) std::cerr << format_problem(problem) << '\n';
  if (!loaded.ok() && !inheritance.succession) return kConfigInvalid;
  if (!loaded.ok()) return Error{"the configuration is invalid"};

  const auto& runtime = options.paths.runtime_dir;
  if (const auto made = prepare_runtime_directory(runtime); !made) return made.error();
  const auto lock = take_lock(runtime, inheritance);
  if (!lock) return lock.error();
  auto socket = open_control_socket(runtime, std::move(inheritance.control));
  if (!socket) return socket.error();
  socket->ours = socket->ours || inheritance.control_is_ours;
  if (::chdir("/") != 0) return errno_error("chdir /", errno);
  raise_file_limit();
  auto event_log = start_logging();
  return serve(options, std::move(loaded.config), *lock, std::move(*socket), inheritance,
               std::move(event_log));
}

/// A start that fails goes back to the image whose place it took, if there is one.
int start_or_go_back(const Options& options) {
  ::umask(022);
  ::signal(SIGPIPE, SIG_IGN);
  auto inheritance = take_inheritance();
  // Until there is something to load; one that came since a predecessor's exec waits, blocked.
  if (!inheritance.succession) ::signal(SIGHUP, SIG_IGN);
  std::optional<Error> failure;
  try {
    const auto code = start(options, inheritance);
    if (code) return *code;
    failure = code.error();
  } catch (const std::exception& error) {
    failure = Error{error.what()};
  }
  if (inheritance.succession) {
    inheritance.succession->go_back(failure->message, arguments_of(options.paths));
  }
  return fail(*failure);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = parse_options(argc, argv);
    if (!options) {
      std::cerr << "dixisd: " << options.error().message << "; see dixisd --help\n";
      return kUsage;
    }
    if (options->help) {
      std::cout << usage();
      return kOk;
    }
    if (options->version) {
      std::cout << "dixisd " << kVersion << '\n';
      return kOk;
    }
    if (options->probe_handover) {
      const auto version = probe_handover(options->paths.config);
      if (!version) return fail(version.error());
      std::cout << *version << '\n';
      return kOk;
    }
    return options->check ? check(options->paths, options->json) : start_or_go_back(*options);
  } catch (const std::exception& error) {
    return fail({error.what()});
  }
}
