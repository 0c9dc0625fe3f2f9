#include "daemon/run/spec_digest.hpp"

#include <array>
#include <cstdio>

#include "common/json.hpp"
#include "daemon/run/document.hpp"

namespace dixis {

namespace {

boost::json::value listen_of(const AppSpec& spec) {
  if (!spec.listen) return spec.no_port;
  return boost::json::array{spec.listen->host, spec.listen->port};
}

}  // namespace

std::string spec_digest(const AppSpec& spec) {
  boost::json::array env_files;
  for (const auto& file : spec.env_files) env_files.emplace_back(file.string());
  boost::json::array limits;
  for (const auto& limit : spec.limits) {
    limits.push_back(boost::json::array{limit.resource, limit.value});
  }
  boost::json::object all{{"command", json::write(spec.command)},
                          {"cwd", spec.cwd.string()},
                          {"user", json::write(spec.user)},
                          {"group", json::write(spec.group)},
                          {"umask", spec.umask},
                          {"nice", spec.nice},
                          {"path", json::write(spec.path)},
                          {"env", json::write(spec.env)},
                          {"env_file", std::move(env_files)},
                          {"port", listen_of(spec)},
                          {"limits", std::move(limits)}};
  boost::json::array held;
  for (const auto& address : spec.held) held.emplace_back(to_text(address));
  if (!held.empty()) all["listen"] = std::move(held);
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(fnv1a(boost::json::serialize(all))));
  return digits.data();
}

}  // namespace dixis
