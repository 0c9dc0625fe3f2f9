// The replacement of the running image: the candidate is asked first, then takes this one's place.
#include <spdlog/spdlog.h>

#include "common/utf8.hpp"
#include "common/version.hpp"
#include "daemon/logs/within.hpp"
#include "daemon/run/command_run.hpp"
#include "daemon/run/succession.hpp"
#include "daemon/run/supervisor_impl.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/image.hpp"
#include "daemon/sys/systemd/service_manager.hpp"

namespace dixis {

namespace {

using namespace std::chrono_literals;

constexpr auto kProbeLimit = 10'000ms;
constexpr auto kOpenLimit = 5'000ms;
constexpr auto kQuietLimit = 1'000ms;

/// Why a candidate that ran was not good, in its own words where it has any.
std::string complaint(const CommandEnd& end) {
  if (!end.in_time) return "it did not answer within " + std::to_string(kProbeLimit / 1s) + " s";
  std::string words = valid_utf8(last_line(end.output));
  constexpr std::string_view kName = "dixisd: ";
  if (words.starts_with(kName)) words.erase(0, kName.size());
  if (!words.empty()) return words;
  if (end.status.signal) return "it was killed by signal " + std::to_string(*end.status.signal);
  if (end.status.code == 0) return "it is no dixisd, or one that can't take over";
  return "it exited with " + std::to_string(end.status.code.value_or(-1)) + " and said nothing";
}

}  // namespace

std::vector<std::string> Supervisor::Impl::arguments(const std::filesystem::path& program) const {
  return {program.string(),
          "--config",
          directories.config_file.string(),
          "--runtime-dir",
          directories.runtime.string(),
          "--state-dir",
          directories.state.string(),
          "--log-dir",
          directories.logs.string()};
}

/// Its version, if it runs, understands this hand-over, and accepts this configuration.
Task<Result<std::string>> Supervisor::Impl::probe_candidate(int image, Handover handover) {
  auto document = write_handover(handover);
  if (!document) co_return document.error();
  SpawnRequest request;
  // The child has closed the descriptor before it comes to exec; ours is still open then.
  request.executable = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(image);
  request.argv = arguments("dixisd");
  request.argv.emplace_back("--probe-handover");
  request.environment = upgrade_terms.environment;
  request.cwd = "/";
  request.stdin_fd = document->get();
  const std::string mark = "dixisd-candidate@" + std::to_string(boottime_ms());
  const auto end = co_await run_command(services, std::move(request), mark, kProbeLimit);
  if (end.error) co_return *end.error;
  const auto version = candidate_version(last_line(end.output));
  if (end.in_time && end.status.code == 0 && version) co_return *version;
  co_return Error{complaint(end)};
}

/// What is on its way to the disk or to systemd gets there. Bounded: what isn't finished is as
/// after a crash, as are launches that are behind the gate.
Task<void> Supervisor::Impl::quiesce() {
  auto writing = services.state_worker.run([] { return true; });
  co_await within(kQuietLimit, std::move(writing));
  co_await settle_deaths();
  if (upgrade_terms.manager == nullptr) co_return;
  if (upgrade_terms.manager->watchdog()) upgrade_terms.manager->tell("WATCHDOG=1");
  co_await upgrade_terms.manager->all_read(kQuietLimit);
}

void Supervisor::use_upgrade(UpgradeTerms terms) {
  impl_->upgrade_terms = std::move(terms);
}

Task<Error> Supervisor::upgrade(std::optional<std::filesystem::path> binary, UniqueFd client,
                                Caller caller) {
  const auto turn = co_await impl_->upgrades.enter();
  const auto file = binary.value_or(own_image_path());
  auto open = [file] { return open_image(file); };
  auto opening = impl_->services.slow_worker.run(std::move(open));
  auto image = co_await within(kOpenLimit, std::move(opening));
  if (!image) co_return Error{"not upgraded: the disk of " + file.string() + " doesn't answer"};
  if (!*image) co_return Error{"not upgraded: " + image->error().message, image->error().hint};
  auto own = open_own_image();
  if (!own) co_return Error{"not upgraded: " + own.error().message};

  Handover handover;
  handover.from = kVersion;
  handover.image = own->get();
  handover.lock = impl_->upgrade_terms.lock;
  handover.control = impl_->upgrade_terms.control;
  handover.control_is_ours = impl_->upgrade_terms.control_is_ours;
  handover.client = client.get();
  handover.kept = handed_descriptors(impl_->services.keeper);
  const auto version = co_await impl_->probe_candidate((*image)->get(), handover);
  if (!version) {
    co_return Error{"not upgraded: " + file.string() + ": " + version.error().message,
                    "dixisd " + std::string(kVersion) + " goes on as it was"};
  }
  spdlog::info("{}: dixisd {} takes over from {}", to_text(caller), *version, kVersion);
  co_await impl_->quiesce();
  // What has been kept or let go of meanwhile.
  handover.kept = handed_descriptors(impl_->services.keeper);
  const Error failure = hand_over((*image)->get(), handover, impl_->arguments(file),
                                  impl_->upgrade_terms.environment);
  spdlog::error("not upgraded: {}", failure.message);
  co_return Error{"not upgraded: " + failure.message,
                  "dixisd " + std::string(kVersion) + " goes on as it was"};
}

}  // namespace dixis
