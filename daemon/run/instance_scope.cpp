// The scope of a generation: where an administrator of systemd looks for it.
#include <array>
#include <cctype>
#include <cstdio>
#include <unistd.h>

#include "daemon/logs/within.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/cgroup.hpp"
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

void set_limits(ScopeRequest& request, const TreeLimits& limits) {
  constexpr std::uint64_t kPercentUs = 10'000;  // of a second
  request.memory_max = limits.memory;
  request.memory_high = limits.memory_high;
  if (limits.cpu_percent) request.cpu_us_per_s = *limits.cpu_percent * kPercentUs;
  request.tasks_max = limits.tasks;
  request.io_weight = limits.io_weight;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::pair<unsigned, const char*>, 3> kUnits = {
      {{30, "G"}, {20, "M"}, {10, "K"}}};
  for (const auto& [shift, unit] : kUnits) {
    if (bytes >> shift << shift == bytes) return std::to_string(bytes >> shift) + unit;
  }
  return std::to_string(bytes);
}

/// A limit, and the file in the cgroup that shows whether the kernel knows it.
struct NamedLimit {
  std::string text{};
  const char* file = "";
};

std::vector<NamedLimit> named(const TreeLimits& limits) {
  std::vector<NamedLimit> out;
  if (limits.memory) out.push_back({"memory " + size_text(*limits.memory), "memory.max"});
  if (limits.memory_high) {
    out.push_back({"memory_high " + size_text(*limits.memory_high), "memory.high"});
  }
  if (limits.cpu_percent) {
    out.push_back({"cpu " + std::to_string(*limits.cpu_percent) + "%", "cpu.max"});
  }
  if (limits.tasks) out.push_back({"tasks " + std::to_string(*limits.tasks), "pids.max"});
  if (limits.io_weight) {
    out.push_back({"io_weight " + std::to_string(*limits.io_weight), "io.weight"});
  }
  return out;
}

/// Why the kernel doesn't hold the tree to it; empty: it does.
std::string not_in_force(const NamedLimit& limit, const std::string& cgroup) {
  if (cgroup.empty()) return "not in force: the app has no cgroup of its own";
  const std::string file = cgroup + "/" + limit.file;
  if (::access(file.c_str(), F_OK) == 0) return "";
  return "not in force: its cgroup has no " + std::string(limit.file);
}

}  // namespace

std::vector<std::string> Instance::limits_view() const {
  std::vector<std::string> out;
  for (const auto& limit : named(spec_.tree_limits)) {
    const bool known = generation_ && generation_->exec_ms;
    const auto why = known ? not_in_force(limit, generation_->tree.cgroup) : "";
    out.push_back(limit.text + (why.empty() ? "" : ", " + why));
  }
  return out;
}

void Instance::warn_of_limits(const Generation& generation) const {
  for (const auto& limit : named(spec_.tree_limits)) {
    const auto why = not_in_force(limit, generation.tree.cgroup);
    if (why.empty()) continue;
    publish({.type = "warning",
             .generation = generation.number,
             .message = "limits: " + limit.text + " is " + why});
  }
}

/// Moves the child that waits at the gate into a scope of its own. Where that can't be had, the app
/// starts without, and it is said.
Task<void> Instance::enter_scope(std::shared_ptr<Generation> generation, pid_t pid) {
  const auto self = shared_from_this();
  if (services_.bus == nullptr) co_return warn_of_limits(*generation);
  ScopeRequest request;
  request.name = "dixis-" + escaped(spec_.name) + "-" + std::to_string(number_) + "-" +
                 std::to_string(generation->number) + ".scope";
  request.description = "dixis: " + label();
  request.pid = pid;
  request.stop_timeout = spec_.stop.timeout + kBeyondOwnLimit;
  set_limits(request, spec_.tree_limits);
  auto making = services_.bus->start_scope(std::move(request));
  const auto made = co_await within(kPatience, std::move(making));
  if (made && *made) {
    generation->tree.cgroup = cgroup_directory(pid).value_or("");
    co_return warn_of_limits(*generation);
  }
  publish({.type = "warning",
           .generation = generation->number,
           .pid = pid,
           .message = "it starts without a scope: " +
                      (made ? made->error().message : "systemd makes none within 2 s")});
  warn_of_limits(*generation);
}

}  // namespace dixis
