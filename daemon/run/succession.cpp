#include "daemon/run/succession.hpp"

#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/version.hpp"
#include "daemon/sys/image.hpp"

namespace dixis {

namespace {

constexpr const char* kDocument = "DIXIS_HANDOVER";       ///< descriptor of the document
constexpr const char* kFailure = "DIXIS_UPGRADE_FAILED";  ///< set when going back
constexpr std::string_view kAnswer = "dixisd-takes-over 1 ";
constexpr std::size_t kFailureBytes = 1000;

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);
  return out;
}

bool is_open(int fd) {
  return fd > STDERR_FILENO && ::fcntl(fd, F_GETFD) >= 0;
}

UniqueFd copy_of(int fd) {
  return fd < 0 ? UniqueFd() : UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/// From now on as all descriptors of this process; -1: it isn't there.
void claim(int& fd) {
  if (is_open(fd)) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  } else {
    fd = -1;
  }
}

}  // namespace

std::vector<std::string> environment_for_successor() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const bool own =
        text.starts_with("LISTEN_") || text.starts_with(kDocument) || text.starts_with(kFailure);
    if (!own) out.emplace_back(text);
  }
  return out;
}

std::vector<HandedDescriptor> handed_descriptors(const Keeper& keeper) {
  std::vector<HandedDescriptor> out;
  for (const auto& one : keeper.all()) out.push_back({one.name, one.fd, one.stored});
  return out;
}

Error hand_over(int image, const Handover& handover, const std::vector<std::string>& argv,
                std::vector<std::string> environment) {
  const auto document = write_handover(handover);
  if (!document) return document.error();
  environment.push_back(std::string(kDocument) + "=" + std::to_string(document->get()));
  auto inherited = descriptors_of(handover);
  inherited.push_back(document->get());
  return replace_image(image, argv, environment, inherited);
}

std::string candidate_answer(std::string_view version) {
  return std::string(kAnswer) + std::string(version);
}

std::optional<std::string> candidate_version(std::string_view answer) {
  if (!answer.starts_with(kAnswer)) return std::nullopt;
  return std::string(answer.substr(kAnswer.size()));
}

std::optional<Succession> Succession::take(std::vector<std::string> environment) {
  const std::string number = take_variable(kDocument);
  const std::string failure = take_variable(kFailure);
  if (number.empty()) return std::nullopt;
  ::prctl(PR_SET_NAME, "dixisd");  // an image that was run by descriptor is called by its number
  int fd = -1;
  std::from_chars(number.data(), number.data() + number.size(), fd);
  claim(fd);
  auto loaded = read_handover(fd);
  if (!loaded) {
    spdlog::error("the hand-over is lost: {}; starting as after a crash", loaded.error().message);
    ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0U);
    return std::nullopt;
  }
  for (const auto& report : loaded->reports) spdlog::warn("{}", report);
  Succession out;
  out.document_.reset(fd);
  out.failure_ = failure;
  out.environment_ = std::move(environment);
  out.handover_ = std::move(loaded->handover);
  for (int* each :
       {&out.handover_.image, &out.handover_.lock, &out.handover_.control, &out.handover_.client}) {
    claim(*each);
  }
  for (auto& one : out.handover_.kept) claim(one.fd);
  return out;
}

UniqueFd Succession::lock() const {
  return copy_of(handover_.lock);
}

UniqueFd Succession::control() const {
  return copy_of(handover_.control);
}

std::vector<NamedFd> Succession::kept(bool stored) const {
  std::vector<NamedFd> out;
  for (const auto& one : handover_.kept) {
    if (one.stored != stored || !Keeper::is_name(one.name)) continue;
    if (auto copy = copy_of(one.fd)) out.push_back({one.name, std::move(copy)});
  }
  return out;
}

void Succession::go_back(const std::string& why, const std::vector<std::string>& argv) const {
  if (!document_ || handover_.image < 0 || !failure_.empty()) return;
  auto environment = environment_;
  environment.push_back(std::string(kDocument) + "=" + std::to_string(document_.get()));
  environment.push_back(std::string(kFailure) + "=dixisd " + std::string(kVersion) + ": " +
                        why.substr(0, kFailureBytes));
  auto inherited = descriptors_of(handover_);
  inherited.push_back(document_.get());
  const Error failed = replace_image(handover_.image, argv, environment, inherited);
  spdlog::error("cannot go back to dixisd {}: {}", handover_.from, failed.message);
}

UniqueFd Succession::commit() {
  UniqueFd client(handover_.client);
  for (const int fd : {handover_.image, handover_.lock, handover_.control}) {
    if (fd >= 0) ::close(fd);
  }
  for (const auto& one : handover_.kept) {
    if (one.fd >= 0) ::close(one.fd);
  }
  handover_ = Handover{.from = std::move(handover_.from)};
  document_.reset();
  return client;
}

}  // namespace dixis
