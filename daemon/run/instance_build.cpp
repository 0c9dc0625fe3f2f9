// The build of an app: the one that runs, the one on disk, and what follows when they differ.
#include <chrono>
#include <poll.h>

#include "daemon/logs/within.hpp"
#include "daemon/run/build/served_build.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/app_files.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/pidfd.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

constexpr auto kReadLimit = 10s;
constexpr auto kLookAgain = 1s;
constexpr auto kServedLimit = 20s;
constexpr auto kTryAgain = 30s;
constexpr auto kFlawInterval = 5s;

std::string id_text(const std::optional<std::string>& id) {
  return id ? short_build_id(*id) : "unknown";
}

/// A builder that is ending has no command line any more, by which it was found, and yet it isn't
/// over. Worker only.
void keep_builder(BuildOnDisk& build, std::int64_t known) {
  if (known == 0 || build.builder) return;
  const int pidfd = pidfd::open(static_cast<pid_t>(known));
  const UniqueFd process(pidfd);
  ::pollfd ended{pidfd, POLLIN, 0};
  if (!process || ::poll(&ended, 1, 0) != 0) return;
  build.builder = "pid " + std::to_string(known);
  build.builder_pid = known;
  build.complete = false;
  build.missing = "`next build` is ending";
}

/// Whether both have the same build, seen with the same eyes.
bool same_build(const AppSpec& left, const AppSpec& right) {
  return left.health.build == right.health.build && left.health.assets == right.health.assets &&
         left.cwd == right.cwd && left.command == right.command && left.user == right.user &&
         left.group == right.group;
}

/// At work, or so fresh that it may be: what is written right now comes in pieces.
bool under_way(const BuildOnDisk& build, Milliseconds settle) {
  return build.builder || (build.changed_ms_ago && *build.changed_ms_ago < settle.count());
}

}  // namespace

/// Reads the build on disk, and checks it for a spawn; while one is under way it waits, as long as
/// `wait` allows. nullopt: the app has none.
Task<Result<std::optional<BuildOnDisk>>> Instance::ready_build(LaunchPlan plan, BuildWait wait) {
  const auto self = shared_from_this();
  const AppSpec spec = spec_;
  std::int64_t builder = 0;
  while (true) {
    auto read = [spec, builder, credentials = plan.credentials] {
      auto out = read_build(spec, credentials);
      if (out && *out) keep_builder(**out, builder);
      return out;
    };
    auto reading = services_.slow_worker.run(std::move(read));
    auto found = co_await within(kReadLimit, std::move(reading));
    if (!found) {
      co_return Error{"cannot start " + label() + ": reading its build takes longer than 10 s",
                      "a file system hangs: `ls` its directory"};
    }
    auto& build = *found;
    if (!build || !*build || wait.force) co_return std::move(build);
    builder = (*build)->builder_pid;
    auto check = [spec, plan, seen = **build] { return check_next_build(spec, plan, seen); };
    auto checking = services_.slow_worker.run(std::move(check));
    const auto good = co_await within(kReadLimit, std::move(checking));
    if (good && *good) co_return std::move(build);
    Error problem = good ? good->error() : Error{"checking its build takes longer than 10 s"};
    if ((*build)->complete || !under_way(**build, spec.health.new_build_settle)) co_return problem;
    if (!wait.wanted()) co_return Error{"not started: the wait for a build was ended"};
    if (std::chrono::steady_clock::now() >= wait.until) {
      co_return Error{"a build is still under way" +
                          ((*build)->builder ? " (" + *(*build)->builder + ")" : std::string()) +
                          ": " + problem.message,
                      "try again when it has ended"};
    }
    wait.report("waiting for the build on disk");
    co_await changed_.wait(kLookAgain);
  }
}

/// Watches what is on disk from now on, with the credentials of the app.
void Instance::watch_build(const std::optional<Credentials>& credentials) {
  if (watched_build_ && same_build(*watched_build_, spec_)) return;
  watched_build_ = spec_;
  if (spec_.health.build.kind == BuildSpec::Kind::none) build_on_disk_.reset();
  services_.builds.watch(build_watch_key_, spec_, credentials,
                         [weak = weak_from_this()](const std::optional<BuildOnDisk>& now) {
                           if (const auto self = weak.lock()) self->build_changed(now);
                         });
}

/// Shows what is on disk of an app that could not be launched even once, too.
Task<void> Instance::watch_unlaunched_build() {
  const auto self = shared_from_this();
  if (watched_build_) co_return;
  const AppSpec spec = spec_;
  if (!spec.user && !spec.group) co_return watch_build(std::nullopt);
  auto look_up = [spec] { return look_up_credentials(spec.user, spec.group); };
  auto looking = services_.slow_worker.run(std::move(look_up));
  const auto found = co_await within(kReadLimit, std::move(looking));
  if (found && *found && !watched_build_) watch_build(**found);
}

void Instance::build_changed(const std::optional<BuildOnDisk>& now) {
  const auto before = std::exchange(build_on_disk_, now);
  build_refusal_.clear();
  ++build_changes_;
  if (before && now && before->id != now->id && now->id) {
    publish({.type = "build",
             .message = "build " + id_text(now->id) + " is on disk" +
                        (generation_ && generation_->build
                             ? ", " + id_text(generation_->build->id) + " runs"
                             : "")});
  }
  if (now && now->complete) build_completed();
  changed_.notify_all();
  spawn(follow_new_build(build_changes_));
}

/// What waited for a whole build goes on.
void Instance::build_completed() {
  if (slot_.state == State::backoff && failed_for_build_) {
    failed_for_build_ = false;
    timer(machine::Timer::backoff).expires_at(std::chrono::steady_clock::time_point::max());
    return apply(machine::TimerFired{machine::Timer::backoff});
  }
  if (std::exchange(marked_for_build_, false) && generation_ && generation_->health.ill()) {
    unwell(*generation_, generation_->health.complaint());
  }
}

/// `on_new_build`, once it has been whole and the same for a while.
Task<void> Instance::follow_new_build(std::uint64_t change) {
  const auto self = shared_from_this();
  if (spec_.health.on_new_build == OnNewBuild::nothing) co_return;
  const auto wanted = [&] {
    return change == build_changes_ && generation_ && serves(generation_->number) &&
           build_on_disk_ && build_on_disk_->complete && is_stale();
  };
  const Milliseconds settle = spec_.health.new_build_settle;
  boost::asio::steady_timer pause(services_.loop, settle);
  co_await pause.async_wait(boost::asio::use_awaitable);
  while (wanted()) {
    const bool settled = co_await has_settled(settle);
    if (settled) break;
    pause.expires_after(settle);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
  // One that is refused is tried again: what stood in its way may have been put right.
  while (wanted()) {
    services_.restart_for_build(self, "build " + id_text(generation_->build->id) + " runs, " +
                                          id_text(build_on_disk_->id) + " is on disk");
    pause.expires_after(kTryAgain);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
}

/// Whether nothing was written to the build for so long: what its manifests don't name may still be
/// on the way. A disk that doesn't answer keeps nobody for ever.
Task<bool> Instance::has_settled(Milliseconds settle) {
  const AppSpec spec = spec_;
  auto read = [spec, credentials = generation_->plan.credentials] {
    return read_build(spec, credentials);
  };
  auto reading = services_.slow_worker.run(std::move(read));
  const auto now = co_await within(kReadLimit, std::move(reading));
  if (!now || !*now || !**now) co_return true;
  const auto& ago = (**now)->changed_ms_ago;
  co_return !ago || *ago >= settle.count();
}

/// Looks again, while the proof's finding stands: what was copied late or came up late heals it.
Task<void> Instance::follow_flaw(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  boost::asio::steady_timer pause(services_.loop);
  while (serves(generation->number) && !generation->flaw.empty()) {
    pause.expires_after(kFlawInterval);
    co_await pause.async_wait(boost::asio::use_awaitable);
    if (!serves(generation->number)) co_return;
    const auto before = generation->flaw;
    const auto served = co_await prove_build(generation);
    if (!serves(generation->number)) co_return;
    if (!generation->flaw.empty()) {
      if (generation->flaw != before) mark_flaw(*generation);
      continue;
    }
    if (slot_.state == State::unhealthy && !generation->health.ill()) {
      apply(machine::Recovered{generation->number});
      publish({.type = "proven", .generation = generation->number, .message = served});
    }
  }
}

/// Why `on_new_build` could not do its work; shown until it can.
void Instance::note_refused_build(const std::string& why) {
  if (build_refusal_ == why) return;
  build_refusal_ = why;
  if (!why.empty()) publish({.type = "warning", .message = "new build: " + why});
}

bool Instance::is_stale() const {
  return generation_ && generation_->build && generation_->build->id && build_on_disk_ &&
         build_on_disk_->id && generation_->build->id != build_on_disk_->id;
}

std::optional<std::string> Instance::build_problem() const {
  if (!build_on_disk_ || build_on_disk_->complete) return std::nullopt;
  return build_on_disk_->builder ? "a build is under way (" + *build_on_disk_->builder + ")"
                                 : "the build on disk is incomplete: " + build_on_disk_->missing;
}

/// For `list`.
std::optional<Build> Instance::build_view() const {
  if (spec_.health.build.kind == BuildSpec::Kind::none) return std::nullopt;
  Build out;
  if (generation_ && generation_->build) out.running = generation_->build->id;
  if (generation_ && generation_->serves_other) out.running = generation_->serves_other;
  if (build_on_disk_) out.on_disk = build_on_disk_->id;
  out.stale = out.running && out.on_disk && out.running != out.on_disk;
  out.problem = build_problem();
  if (!out.problem && out.stale && !build_refusal_.empty()) out.problem = build_refusal_;
  if (!out.running && !out.on_disk && !out.problem) return std::nullopt;
  return out;
}

/// Asks the process itself which build it serves. What it finds wrong is a flaw of one that lives
/// and is healthy: it is admitted and marked, since a dead one would serve nobody.
Task<std::string> Instance::prove_build(std::shared_ptr<Generation> generation) {
  const auto& at = generation->found_at;
  const auto own = private_socket(*generation);
  if (!generation->build || (!at && !own)) co_return "";
  ServedBuildRequest request;
  request.socket = own;
  if (at) {
    request.host = at->host;
    request.port = at->port;
  }
  request.build = *generation->build;
  request.spec = spec_;
  request.credentials = generation->plan.credentials;
  request.assets = spec_.health.assets;
  const auto served =
      co_await prove_served_build(services_.slow_worker, std::move(request), kServedLimit);
  generation->serves_other = served.other;
  generation->flaw.clear();
  if (served.proof) co_return *served.proof;
  generation->flaw = served.proof.error().message;
  if (!served.proof.error().hint.empty()) generation->flaw += "; " + served.proof.error().hint;
  co_return "";
}

/// The same of one that serves already, as long as what it was started from is on disk. Not while
/// a flaw of it is known: that is looked at by itself. What was compared with files that are just
/// being written is told, and not held against it.
Task<Result<std::string>> Instance::prove_build_again(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  const bool whole = build_on_disk_ && build_on_disk_->complete && !is_stale();
  if (!whole || !generation->flaw.empty()) co_return std::string();
  const auto served = co_await prove_build(generation);
  if (generation->flaw.empty() || !serves(generation->number)) co_return served;
  const Error found{generation->flaw};
  if (co_await has_settled(spec_.health.new_build_settle)) {
    mark_flaw(*generation);
    spawn(follow_flaw(generation));
  } else {
    generation->flaw.clear();
    generation->serves_other.reset();
  }
  co_return found;
}

/// What the predecessor's proof of an adopted one had found is forgotten, but not over.
Task<void> Instance::find_flaw(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  boost::asio::steady_timer pause(services_.loop);
  while (serves(generation->number)) {
    const auto served = co_await prove_build_again(generation);
    if (served || !generation->flaw.empty()) co_return;
    pause.expires_after(spec_.health.new_build_settle);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
}

}  // namespace dixis
