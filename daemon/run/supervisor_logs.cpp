// Where the logs of apps are, and which of their lives ended last.
#include <algorithm>
#include <fstream>

#include <spdlog/spdlog.h>

#include "common/paths.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace {

/// Instances that share a file make one log.
void add_log(std::vector<AppLog>& logs, AppLog log) {
  // Slots of an app follow each other, with two logs each.
  for (auto known = logs.rbegin(); known != logs.rend() && known->app == log.app; ++known) {
    if (known->file != log.file) continue;
    if (known->instances && log.instances) {
      known->instances->merge(*log.instances);
    } else {
      known->instances.reset();
    }
    return;
  }
  logs.push_back(std::move(log));
}

}  // namespace

std::vector<AppLog> Supervisor::logs_of(const Targets& targets) const {
  std::vector<AppLog> logs;
  const auto& capture = impl_->services.capture;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    const std::string& app = target.instance->spec().name;
    std::optional<std::set<std::uint32_t>> instances;
    if (!target.whole_app) instances.emplace({target.instance->number()});
    const auto settings = log_settings_of(target.instance->spec());
    const auto number = target.instance->number();
    add_log(logs, {app, "out", capture.file(settings, number, LogStream::out), instances});
    add_log(logs, {app, "err", capture.file(settings, number, LogStream::err), instances});
  }
  return logs;
}

Task<LastLives> Supervisor::last_lives(Targets targets) {
  LastLives lives;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    const auto& instance = target.instance;
    const auto status = instance->status(impl_->desired_of(*instance));
    auto death = status.last_death;
    if (!death) {
      auto looking = impl_->last_death(instance);
      if (const auto record = co_await std::move(looking)) death = record->death;
    }
    // It never died: what runs now is its last life.
    const auto life = death ? std::optional(death->generation) : status.generation;
    lives[status.app][status.instance] = life.value_or(0);
  }
  co_return lives;
}

LogReading& Supervisor::log_reading() {
  return impl_->services.log_reading;
}

/// For a client that finds no daemon: it lies beside the socket.
void Supervisor::Impl::tell_log_places() const {
  boost::json::array logs;
  for (const auto& [name, app] : apps) {
    std::set<std::pair<std::string, std::string>> files;  // instances may share one
    for (const auto& instance : app.instances) {
      const auto settings = log_settings_of(instance->spec());
      for (const auto& [stream, which] :
           {std::pair("out", LogStream::out), std::pair("err", LogStream::err)}) {
        files.emplace(stream, services.capture.file(settings, instance->number(), which).string());
      }
    }
    for (const auto& [stream, file] : files) {
      logs.push_back({{"app", name}, {"stream", stream}, {"file", file}});
    }
  }
  const auto path = directories.runtime / kLogPlacesName;
  const auto next = path.string() + ".new";
  {
    std::ofstream out(next);
    out << boost::json::serialize(boost::json::object{{"version", 1}, {"logs", std::move(logs)}})
        << '\n';
  }
  std::error_code error;
  std::filesystem::rename(next, path, error);
  if (error) spdlog::warn("cannot write {}: {}", path.string(), error.message());
}

}  // namespace dixis
