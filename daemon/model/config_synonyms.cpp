#include "daemon/model/config_synonyms.hpp"

#include <algorithm>
#include <cctype>
#include <map>

namespace dixis {

std::string key_synonym(std::string_view word) {
  static const std::map<std::string_view, std::string_view> known = {
      {"script", "command"},
      {"exec", "command"},
      {"execstart", "command"},
      {"cmd", "command"},
      {"args", "command"},
      {"directory", "cwd"},
      {"workingdirectory", "cwd"},
      {"working_directory", "cwd"},
      {"environment", "env"},
      {"envfile", "env_file"},
      {"environmentfile", "env_file"},
      {"environment_file", "env_file"},
      {"exec_mode", "instances"},
      {"replicas", "instances"},
      {"autorestart", "restart"},
      {"max_restarts", "restart.give_up_after"},
      {"restart_delay", "restart.backoff.first"},
      {"kill_timeout", "stop.timeout"},
      {"stopsignal", "stop.signal"},
      {"stop_signal", "stop.signal"},
      {"max_memory_restart", "restart_above"},
      {"out_file", "logs"},
      {"error_file", "logs"},
      {"log_file", "logs"},
      {"depends_on", "after"},
      {"requires", "after"},
      {"healthcheck", "health"},
      {"url", "http"},
      {"command", "exec"},
      {"test", "exec"},
      {"period", "interval"},
      {"retries", "failures"},
      {"status", "expect"},
      {"body", "contains"},
      {"nofile", "limits.files"},
      {"services", "apps"},
      {"programs", "apps"},
      {"app", "apps"},
  };
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = known.find(lower);
  return found == known.end() ? std::string{} : std::string(found->second);
}

}  // namespace dixis
