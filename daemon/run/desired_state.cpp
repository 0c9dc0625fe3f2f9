#include "daemon/run/desired_state.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <list>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "common/json.hpp"
#include "daemon/sys/fault.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;
namespace bj = boost::json;

constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 4U << 20U;
constexpr const char* kCurrent = "desired.json";
constexpr const char* kPrevious = "desired.json.1";
constexpr const char* kOldest = "desired.json.2";
constexpr const char* kNew = "desired.json.new";

/// One generation as it was read.
struct Generation {
  std::map<std::string, Desired> apps{};
  bj::object document{};  ///< with what this version doesn't know
  std::vector<std::string> remarks{};
};

Result<Generation> read_generation(const std::string& text) {
  auto document = parse_document(text);
  if (!document) return document.error();
  const auto* apps = document->if_contains("apps");
  if (apps == nullptr || !apps->is_object()) return Error{"it has no apps"};
  Generation generation;
  for (const auto& entry : apps->get_object()) {
    const std::string name(entry.key());
    Desired desired = Desired::up;
    if (json::read(entry.value(), desired)) {
      generation.apps[name] = desired;
    } else {
      generation.remarks.push_back("the desired state of " + name + ", " +
                                   bj::serialize(entry.value()) +
                                   ", is not known to this version: it is taken as up");
    }
  }
  generation.document = std::move(*document);
  return generation;
}

}  // namespace

Result<void> write_desired_generation(const std::filesystem::path& directory,
                                      const std::string& text, const StepHook& before_step) {
  const auto step = [&](std::string_view name) {
    if (before_step) before_step(name);
  };
  const auto current = directory / kCurrent;
  const auto previous = directory / kPrevious;
  const auto oldest = directory / kOldest;
  const auto fresh = directory / kNew;
  const std::string what = "cannot write " + current.string();

  std::error_code ignored;
  if (std::filesystem::create_directories(directory, ignored)) {
    if (::chmod(directory.c_str(), S_IRWXU) != 0) return errno_error(what, errno);
  }
  auto written = write_document_file(fresh, text, true, before_step);
  if (!written) return written;

  // History is kept as far as it goes (no hard links, no room): what counts is the last rename.
  // current stays in place until that replaces it, hence link and not rename.
  step("unlink oldest");
  (void)::unlink(oldest.c_str());
  step("rename previous");
  fault::point("desired-history");
  (void)std::rename(previous.c_str(), oldest.c_str());
  step("link current");
  (void)::link(current.c_str(), previous.c_str());
  step("rename new");
  fault::point("desired-rename");
  if (std::rename(fresh.c_str(), current.c_str()) != 0) return errno_error(what, errno);
  fault::point("desired-renamed");
  step("fsync directory");
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return errno_error(what, errno);
  step("done");
  return {};
}

/// A call of change() that waits for the write that holds its change.
struct Waiter {
  Waiter(const asio::any_io_executor& executor, std::uint64_t number,
         std::chrono::milliseconds limit)
      : change(number), timer(executor, limit) {}

  std::uint64_t change;
  asio::steady_timer timer;
  std::optional<Result<void>> result{};
};

struct DesiredState::Impl : std::enable_shared_from_this<Impl> {
  Impl(Worker& state_worker, std::filesystem::path state_directory, Options given)
      : worker(state_worker), directory(std::move(state_directory)), options(std::move(given)) {}

  std::string text() const;
  bool apply(const std::map<std::string, std::optional<Desired>>& changes);
  Task<Result<void>> write_now();
  Task<void> write_until_settled();
  void settle(std::uint64_t written, const Result<void>& result);

  Worker& worker;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::filesystem::path directory;
  Options options;
  std::map<std::string, Desired> apps{};
  bj::object document{};

  std::uint64_t changes_made = 0;     ///< numbers the changes
  std::uint64_t changes_durable = 0;  ///< up to this one they are on the disk
  bool writing = false;
  std::list<std::shared_ptr<Waiter>> waiters{};
};

std::string DesiredState::Impl::text() const {
  bj::object out = document;
  out["version"] = kVersion;
  out["apps"] = json::write(apps);
  return document_text(std::move(out));
}

bool DesiredState::Impl::apply(const std::map<std::string, std::optional<Desired>>& changes) {
  bool changed = false;
  for (const auto& [app, desired] : changes) {
    const auto found = apps.find(app);
    if (!desired) {
      changed = apps.erase(app) > 0 || changed;
    } else if ((found == apps.end() ? Desired::up : found->second) != *desired) {
      apps[app] = *desired;
      changed = true;
    }
  }
  return changed;
}

Task<Result<void>> DesiredState::Impl::write_now() {
  auto write = [content = text(), where = directory, hook = options.before_step] {
    return write_desired_generation(where, content, hook);
  };
  try {
    auto result = co_await worker.run(std::move(write));
    co_return result;
  } catch (const std::exception& failure) {
    co_return Error{"cannot write " + (directory / kCurrent).string() + ": " + failure.what()};
  }
}

/// Writes until every call has been answered by a write that began after its change.
Task<void> DesiredState::Impl::write_until_settled() {
  while (!waiters.empty()) {
    const std::uint64_t covered = changes_made;
    const auto result = co_await write_now();
    if (result) changes_durable = covered;
    settle(covered, result);
  }
  writing = false;
}

void DesiredState::Impl::settle(std::uint64_t written, const Result<void>& result) {
  waiters.remove_if([&](const std::shared_ptr<Waiter>& waiter) {
    if (waiter->change > written) return false;
    waiter->result = result;
    waiter->timer.expires_at(asio::steady_timer::time_point::min());
    return true;
  });
}

DesiredState::DesiredState(Worker& worker, std::filesystem::path directory)
    : DesiredState(worker, std::move(directory), Options()) {}

DesiredState::DesiredState(Worker& worker, std::filesystem::path directory, Options options)
    : impl_(std::make_shared<Impl>(worker, std::move(directory), std::move(options))) {}

DesiredState::~DesiredState() = default;

DesiredState::Loaded DesiredState::load() {
  Loaded loaded;
  bool first_choice = true;
  for (const char* name : {kCurrent, kPrevious, kOldest}) {
    const auto file = impl_->directory / name;
    auto text = read_document_file(file, kMaxBytes);
    if (text && text->empty()) {  // there is none
      first_choice = false;
      continue;
    }
    auto generation = text ? read_generation(*text)
                           : Result<Generation>(boost::system::in_place_error, text.error());
    if (!generation) {
      loaded.reports.push_back("the desired state in " + file.string() + " is damaged (" +
                               generation.error().message + "); " + put_aside(file));
      first_choice = false;
      continue;
    }
    loaded.apps = generation->apps;
    impl_->apps = generation->apps;
    impl_->document = std::move(generation->document);
    std::move(generation->remarks.begin(), generation->remarks.end(),
              std::back_inserter(loaded.reports));
    if (first_choice) return loaded;
    loaded.reports.push_back("the previous desired state, " + file.string() +
                             ", serves: the last verbs before the damage may be missing");
    // Make it the current one again, so that the next start has nothing to report.
    const auto written = write_desired_generation(impl_->directory, impl_->text());
    if (!written) loaded.reports.push_back(written.error().message);
    return loaded;
  }
  if (!loaded.reports.empty()) {
    loaded.reports.emplace_back(
        "no earlier desired state is left: every app of the configuration is taken as up");
  }
  return loaded;
}

Task<Result<void>> DesiredState::change(std::map<std::string, std::optional<Desired>> changes) {
  const auto impl = impl_;
  if (impl->apply(changes)) ++impl->changes_made;
  if (impl->changes_made == impl->changes_durable) co_return Result<void>();

  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter>(executor, impl->changes_made, impl->options.limit);
  impl->waiters.push_back(waiter);
  if (!std::exchange(impl->writing, true)) {
    asio::co_spawn(
        executor,
        [](std::shared_ptr<Impl> self) -> Task<void> {
          co_await self->write_until_settled();
        }(impl),
        asio::detached);
  }
  boost::system::error_code ignored;
  if (!waiter->result) {
    co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (waiter->result) co_return *waiter->result;
  co_return Error{"cannot write " + (impl->directory / kCurrent).string() +
                      ": the disk has not answered within " +
                      std::to_string(impl->options.limit.count()) + " ms",
                  "it is written as soon as the disk answers; see dmesg for errors of the disk"};
}

Desired DesiredState::of(const std::string& app) const {
  const auto found = impl_->apps.find(app);
  return found == impl_->apps.end() ? Desired::up : found->second;
}

}  // namespace dixis
