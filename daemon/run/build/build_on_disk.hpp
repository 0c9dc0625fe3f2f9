#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/model/next_build.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/run/launch_plan.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

/// The deployed code of an app as it lies on disk.
struct BuildOnDisk {
  bool next = false;  ///< a Next build; else an id file
  std::optional<std::string> id{};
  bool complete = false;
  std::string missing{};       ///< why it isn't complete, for people
  NextConfig config{};         ///< where `next`
  bool copied = false;         ///< a standalone output that was copied to its own place
  bool has_root_page = false;  ///< its manifests name a page for "/"
  std::optional<std::int64_t> changed_ms_ago{};  ///< the newest of its files
  std::optional<std::string> builder{};          ///< a living `next build`: "pid 4711"
  std::int64_t builder_pid = 0;                  ///< the same; 0: none
  std::vector<std::filesystem::path> watched{};  ///< the files whose change matters
};

/// Reads it with the app's credentials. nullopt: the app has no build (`build: none`, or automatic
/// and no `.next` in cwd). Slow worker only.
Result<std::optional<BuildOnDisk>> read_build(const AppSpec& spec,
                                              const std::optional<Credentials>& credentials);

/// Preflight of a Next app: the build is complete; its output fits the command; server.js exists
/// where the command needs it; the app's user can write where Next must (`.next/cache`; a file of
/// somebody else there is named). The error says what to do. Slow worker only.
Result<void> check_next_build(const AppSpec& spec, const LaunchPlan& plan,
                              const BuildOnDisk& build);

/// Known pitfalls of what lies on disk, as warnings of `check` and `load`: a standalone output
/// without copied `.next/static` or `public`, or that `next start` is to serve. Blocks.
std::vector<Problem> build_pitfalls(const Config& config);

}  // namespace dixis
