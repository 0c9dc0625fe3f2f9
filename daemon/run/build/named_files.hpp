#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "daemon/model/next_build.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

/// A file that is missing from a build, or damaged.
struct Gap {
  std::filesystem::path file{};
  std::string what{};  ///< "is missing", "is empty", "isn't JSON"
};

/// The first file that the build's own manifests name and that can't be served: a copy that was
/// broken off, or that is still coming, has them before what they name. `copied`: a standalone
/// output at a place of its own, the static files of which may be somebody else's. Blocks.
std::optional<Gap> find_gap(const AppSpec& spec, const NextConfig& config, bool copied,
                            const std::optional<Credentials>& credentials);

/// Whether the manifests name a page for "/". Blocks.
bool has_root_page(const std::filesystem::path& dist,
                   const std::optional<Credentials>& credentials);

}  // namespace dixis
