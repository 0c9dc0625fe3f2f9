#include "daemon/serve/inheritance.hpp"

#include <unistd.h>

#include <spdlog/spdlog.h>

#include "common/version.hpp"
#include "daemon/model/config.hpp"
#include "daemon/serve/replies.hpp"
#include "daemon/serve/server.hpp"
#include "daemon/sys/systemd/passed_descriptors.hpp"

namespace dixis {

Inheritance take_inheritance() {
  Inheritance out;
  out.environment = environment_for_successor();
  out.succession = Succession::take(out.environment);
  if (out.succession) {
    out.control = out.succession->control();
    out.control_is_ours = out.succession->control_is_ours();
    out.stored = out.succession->kept(true);
    return out;
  }
  for (auto& passed : take_passed_descriptors()) {
    if (Keeper::is_name(passed.name)) {
      out.stored.push_back(std::move(passed));
    } else if (!out.control) {
      out.control = std::move(passed.fd);
    }
  }
  return out;
}

Result<RuntimeLock> take_lock(const std::filesystem::path& runtime,
                              const Inheritance& inheritance) {
  if (inheritance.succession) {
    if (auto lock = inheritance.succession->lock()) return RuntimeLock{std::move(lock)};
  }
  return lock_runtime_directory(runtime);
}

std::vector<std::string> arguments_of(const DefaultPaths& paths) {
  return {"dixisd",
          "--config",
          paths.config.string(),
          "--runtime-dir",
          paths.runtime_dir.string(),
          "--state-dir",
          paths.state_dir.string(),
          "--log-dir",
          paths.log_dir.string()};
}

void answer_upgrade(Server& server, Succession& succession) {
  const std::string why = succession.failure();
  const std::string from = succession.from();
  auto client = succession.commit();
  if (!why.empty()) spdlog::error("not upgraded: {}; going on as dixisd {}", why, kVersion);
  if (why.empty()) spdlog::info("upgraded from dixisd {} to {}", from, kVersion);
  if (!client) return;
  if (why.empty()) {
    server.answer(std::move(client), reply({{"version", kVersion}, {"from", from}}));
  } else {
    server.answer(std::move(client),
                  failed("not upgraded: " + why,
                         "dixisd " + std::string(kVersion) + " is back, and apps went on"));
  }
}

Result<std::string> probe_handover(const std::filesystem::path& config) {
  const auto handover = read_handover(STDIN_FILENO);
  if (!handover) return handover.error();
  const LoadedConfig loaded = load_config(config);
  for (const auto& problem : loaded.problems) {
    if (problem.warning) continue;
    return Error{"it refuses the configuration: " + format_problem(problem)};
  }
  return {boost::system::in_place_value, candidate_answer(kVersion)};
}

}  // namespace dixis
