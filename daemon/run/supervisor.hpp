#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio.hpp>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/run/event_bus.hpp"
#include "daemon/run/operation.hpp"
#include "daemon/run/operation_book.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

class Keeper;
class LogReading;
class ServiceBus;
class ServiceManager;

/// Where a daemon keeps its things.
struct Directories {
  std::filesystem::path config_file;
  std::filesystem::path runtime;
  std::filesystem::path state;
  std::filesystem::path logs;
};

/// A target that names nothing.
struct NoSuchApp {
  std::string target;
  std::optional<std::string> nearest;
};

/// What a load found and does. `operation` is null for a dry run and for an invalid configuration
/// (then `problems` has an error, and nothing was touched).
struct LoadReport {
  std::vector<Problem> problems{};
  std::vector<PlanItem> plan{};
  OperationPtr operation{};
  std::string file{};  ///< add and remove: the app's file
};

/// An app as `add` gets it.
struct NewApp {
  std::vector<std::string> command{};
  std::optional<std::string> cwd{};
  std::optional<std::string> user{};
  std::optional<std::map<std::string, std::string>> env{};
  std::optional<std::int64_t> port{};
};
BOOST_DESCRIBE_STRUCT(NewApp, (), (command, cwd, user, env, port))

/// The pids that a signal went to.
struct Signaled {
  std::string app{};
  std::uint32_t instance{};
  std::vector<std::int64_t> pids{};
};
BOOST_DESCRIBE_STRUCT(Signaled, (), (app, instance, pids))

/// One log of an app: all files of a stream.
struct AppLog {
  std::string app{};
  std::string stream{};  ///< "out" or "err"
  std::filesystem::path file{};
  std::optional<std::set<std::uint32_t>> instances{};  ///< that were named; nullopt: all
};

/// By app and instance a generation.
using LastLives = std::map<std::string, std::map<std::uint32_t, std::uint64_t>>;

/// What the next image of an upgrade gets of this process beside what the supervisor has.
struct UpgradeTerms {
  int lock = -1;     ///< borrowed, as long as the process lives; both
  int control = -1;  ///< the listening control socket
  bool control_is_ours = true;
  std::vector<std::string> environment{};
  ServiceManager* manager = nullptr;
};

/// All apps of this daemon and the verbs on them. Lives on the loop's thread; never blocks it.
class Supervisor {
 public:
  using Targets = std::vector<std::string>;

  Supervisor(boost::asio::io_context& loop, Directories directories, Config config);
  ~Supervisor();

  /// From now on each generation gets a scope of its own. The bus outlives the supervisor.
  void use_scopes(ServiceBus& bus);

  /// What outlives this process. Before run() it gets what a predecessor has left.
  Keeper& keeper();

  /// Takes back what a predecessor left running, then starts what shall be up, in order. Returns
  /// when all is taken back; starts go on.
  Task<void> run();

  /// Checks names, NAME:N, globs and 'all' (no targets: all). nullopt: every target names
  /// something.
  std::optional<NoSuchApp> unknown_target(const Targets& targets) const;

  Task<std::vector<InstanceStatus>> list(Targets targets);
  Task<std::vector<Description>> describe(Targets targets);

  /// The newest `limit` deaths of each instance that is named, newest first of all. An error: the
  /// disk doesn't answer.
  Task<Result<std::vector<DeathRecord>>> deaths(Targets targets, std::size_t limit);
  /// Asks each probe of each slot once.
  Task<std::vector<ProbeReport>> probe(Targets targets);

  /// The logs of what is named.
  std::vector<AppLog> logs_of(const Targets& targets) const;
  /// Of each slot the generation that ended last; where none has ended, the one that runs.
  Task<LastLives> last_lives(Targets targets);
  LogReading& log_reading();

  /// Verbs: accepted at once, carried out by themselves. Targets have been checked.
  OperationPtr start(Targets targets, Caller caller);
  OperationPtr stop(Targets targets, Caller caller);
  OperationPtr restart(Targets targets, bool force, Caller caller);

  /// Whether a client has asked for an operation of this id, of this daemon or its predecessor.
  bool knows(const std::string& operation) const;
  /// What became of it.
  std::optional<KnownOperation> operation(const std::string& id) const;
  /// Whether it is an app's name, and not a glob, a tag or one instance.
  bool is_app(const std::string& name) const;
  /// Another number of instances of an app that there is, until the configuration says otherwise.
  OperationPtr scale(const std::string& app, std::uint32_t instances, Caller caller);

  /// Replaces without a gap. `or_restart`: an app that can't be is restarted.
  OperationPtr reload(Targets targets, bool or_restart, Caller caller);

  /// Why a restart of these would have to wait (a build is under way); nullopt: it would not.
  std::optional<Error> busy_build(const Targets& targets) const;

  Task<Result<std::vector<Signaled>>> signal(Targets targets, int signal, bool tree, Caller caller);

  /// Empties the logs of the apps that are named. Gives these.
  Task<Result<std::vector<std::string>>> flush_logs(Targets targets, Caller caller);
  /// Finds all logs anew by their names. Gives how many.
  Task<Result<std::size_t>> reopen_logs();

  /// Reads the configuration (`file`: another one, from now on) and carries out the difference.
  Task<LoadReport> load(std::optional<std::filesystem::path> file, bool dry_run, Caller caller);
  Task<Result<LoadReport>> add(std::string name, NewApp app, Caller caller);
  Task<Result<LoadReport>> remove(std::string name, Caller caller);

  void use_upgrade(UpgradeTerms terms);
  /// Replaces this process's image by the program in `binary` (nullopt: in the file that this one
  /// was started from), after it has shown in a child of its own that it can take over. `client`
  /// gets the reply from whichever image serves afterwards. Returns only if nothing was replaced:
  /// with why.
  Task<Error> upgrade(std::optional<std::filesystem::path> binary, UniqueFd client, Caller caller);

  /// Stops all apps in reverse order; ends when that is done. Desired states stay as they are.
  Task<void> shut_down();
  /// Ends without the apps: what is only in memory is written. The caller must end the process.
  Task<void> leave();
  bool shutting_down() const;
  /// Asks main to shut down and end (the Shutdown method).
  void request_shutdown();
  Notifier& shutdown_requested();

  EventBus& events();
  /// How the daemon before this one ended, where that was not as it should; told as an event.
  void note_predecessor(std::string how);
  const std::optional<std::string>& predecessor() const;
  const Access& access() const;
  std::size_t app_count() const;
  /// "supervising 2 apps, 2 online", with what is not as it should be.
  std::string status_line() const;
  std::chrono::milliseconds uptime() const;

  struct Impl;  ///< supervisor_impl.hpp

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace dixis
