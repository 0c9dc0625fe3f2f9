// The scope of a generation: where an administrator of systemd looks for it.
#include <array>
#include <cctype>
#include <cstdio>

#include "daemon/logs/within.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/systemd/service_bus.hpp"

namespace dixis {

namespace {

constexpr std::chrono::seconds kPatience{2};
/// systemd ends a scope by itself only when the daemon is gone: never before its own limit.
constexpr std::chrono::seconds kBeyondOwnLimit{10};

/// As systemd-escape(1): what a unit's name can't hold.
std::string escaped(const std::string& name) {
  std::string out;
  for (const char letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '_' || letter == '.' || letter == '-') {
      out += letter;
      continue;
    }
    std::array<char, 8> code{};
    std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned>(byte));
    out += code.data();
  }
  return out;
}

}  // namespace

/// Moves the child that waits at the gate into a scope of its own. Where that can't be had, the app
/// starts without, and it is said.
Task<void> Instance::enter_scope(std::shared_ptr<Generation> generation, pid_t pid) {
  const auto self = shared_from_this();
  if (services_.bus == nullptr) co_return;
  ScopeRequest request;
  request.name = "dixis-" + escaped(spec_.name) + "-" + std::to_string(number_) + "-" +
                 std::to_string(generation->number) + ".scope";
  request.description = "dixis: " + label();
  request.pid = pid;
  request.stop_timeout = spec_.stop.timeout + kBeyondOwnLimit;
  auto making = services_.bus->start_scope(std::move(request));
  const auto made = co_await within(kPatience, std::move(making));
  if (made && *made) co_return;
  publish({.type = "warning",
           .generation = generation->number,
           .pid = pid,
           .message = "it starts without a scope: " +
                      (made ? made->error().message : "systemd makes none within 2 s")});
}

}  // namespace dixis
