#include "daemon/logs/retention.hpp"

#include "common/log_index.hpp"

namespace dixis {

void Retention::set(const std::string& app, const Rules& rules) {
  apps_[app].rules = rules;
}

void Retention::add(const std::string& app, const std::filesystem::path& log) {
  apps_[app].logs.insert(log);
}

void Retention::remove(const std::string& app, const std::filesystem::path& log) {
  const auto found = apps_.find(app);
  if (found == apps_.end()) return;
  found->second.logs.erase(log);
  if (found->second.logs.empty()) apps_.erase(found);
}

std::vector<KeptLog> Retention::logs_of(const App& app) {
  std::set<std::filesystem::path> directories;
  for (const auto& log : app.logs) directories.insert(log.parent_path());
  std::vector<KeptLog> out;
  for (const auto& directory : directories) {
    for (auto& file : logs_in(directory)) {
      if (app.logs.contains(file.log)) out.push_back(std::move(file));
    }
  }
  return out;
}

std::vector<KeptLog> Retention::all_logs() const {
  std::set<std::filesystem::path> directories;
  for (const auto& [name, app] : apps_) {
    for (const auto& log : app.logs) directories.insert(log.parent_path());
  }
  std::vector<KeptLog> out;
  for (const auto& directory : directories) {
    for (auto& file : logs_in(directory)) out.push_back(std::move(file));
  }
  return out;
}

void Retention::tidy(const std::string& app) {
  const auto found = apps_.find(app);
  if (found == apps_.end()) return;
  const auto& rules = found->second.rules;
  for (const auto& file : surplus(logs_of(found->second), rules.keep, rules.max_total)) {
    remove_rotated(file);
  }
  if (ceiling_) {
    for (const auto& file : surplus(all_logs(), std::nullopt, ceiling_)) remove_rotated(file);
  }
  for (const auto& file : logs_of(found->second)) {
    if (file.number > 0 && file.plain) compressor_.compress(rotated_log(file.log, file.number));
  }
}

bool Retention::free_oldest(const std::string& app) {
  const auto found = apps_.find(app);
  if (found == apps_.end()) return false;
  auto files = logs_of(found->second);
  std::uint64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  const auto oldest = bytes > 0 ? surplus(files, std::nullopt, bytes - 1) : std::vector<KeptLog>{};
  if (oldest.empty()) return false;
  remove_rotated(oldest.front());
  return true;
}

void Retention::remove_all(const std::filesystem::path& log) {
  for (const auto& file : logs_in(log.parent_path())) {
    if (file.log == log && file.number > 0) remove_rotated(file);
  }
}

}  // namespace dixis
