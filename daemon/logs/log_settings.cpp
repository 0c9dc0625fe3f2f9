#include "daemon/logs/log_settings.hpp"

#include <string_view>

namespace dixis {

const char* name_of(LogStream stream) {
  return stream == LogStream::out ? "out" : "err";
}

LogSettings default_log_settings(const std::string& app) {
  LogSettings settings;
  settings.out = app + "-out.log";
  settings.err = app + "-err.log";
  return settings;
}

std::filesystem::path log_name(const LogSettings& settings, std::uint32_t instance,
                               LogStream stream) {
  constexpr std::string_view kInstance = "{instance}";
  std::string name = stream == LogStream::out ? settings.out : settings.err;
  const std::string number = std::to_string(instance);
  for (auto at = name.find(kInstance); at != std::string::npos; at = name.find(kInstance, at)) {
    name.replace(at, kInstance.size(), number);
  }
  return name;
}

}  // namespace dixis
