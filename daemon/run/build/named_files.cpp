// What the manifests of a build name, and whether it is there.
#include "daemon/run/build/named_files.hpp"

#include <set>
#include <sys/stat.h>
#include <vector>

#include "daemon/sys/app_files.hpp"

namespace dixis {

namespace {

namespace fs = std::filesystem;
constexpr int kMostTraced = 50;  // pages share their chunks, and a trace is long

/// One look at the files of a build, up to the first gap.
class Look {
 public:
  Look(const fs::path& dist, const std::optional<Credentials>& credentials)
      : dist_(dist), credentials_(credentials) {}

  const std::optional<Gap>& gap() const { return gap_; }

  /// It is there; `filled`: and isn't empty, as what was broken off may be.
  void want(const fs::path& file, bool filled) {
    if (gap_ || !seen_.insert(file).second) return;
    struct stat facts {};
    const bool there = check_access(file, F_OK, credentials_) != ENOENT;
    if (!there) {
      gap_ = Gap{file.lexically_normal(), "is missing"};
    } else if (filled && ::stat(file.c_str(), &facts) == 0 && facts.st_size == 0) {
      gap_ = Gap{file.lexically_normal(), "is empty"};
    }
  }

  /// What a manifest names; one that isn't there (another version of Next) names nothing.
  template <class NamesOf>
  std::vector<std::string> names_in(const fs::path& manifest, NamesOf names_of) {
    const auto text = read_app_file(manifest, credentials_);
    if (gap_ || !text) return {};
    const auto names = names_of(*text);
    if (names) return *names;
    gap_ = Gap{manifest.lexically_normal(), "isn't JSON"};
    return {};
  }

  void want_pages(const char* manifest, bool traced) {
    for (const auto& page : names_in(dist_ / "server" / manifest, pages_of_manifest)) {
      const auto file = dist_ / "server" / page;
      want(file, true);
      if (traced && traced_++ < kMostTraced) want_traced(file);
    }
  }

  void want_static(const char* manifest) {
    for (const auto& name : names_in(dist_ / manifest, static_files_of_manifest)) {
      want(dist_ / name, false);
    }
  }

 private:
  /// What Next has traced a page to, as far as it lies in the build: its chunks.
  void want_traced(const fs::path& page) {
    for (const auto& name : names_in(page.string() + ".nft.json", traced_files)) {
      const auto file = (page.parent_path() / name).lexically_normal();
      const auto inside = file.lexically_relative(dist_.lexically_normal());
      if (!inside.empty() && *inside.begin() != "..") want(file, false);
    }
  }

  const fs::path& dist_;                           // NOLINT: it lives for one call
  const std::optional<Credentials>& credentials_;  // NOLINT
  std::optional<Gap> gap_{};
  std::set<fs::path> seen_{};
  int traced_ = 0;
};

}  // namespace

std::optional<Gap> find_gap(const AppSpec& spec, const NextConfig& config, bool copied,
                            const std::optional<Credentials>& credentials) {
  const auto dist = spec.cwd / config.dist_dir;
  Look look(dist, credentials);
  for (const auto& file : config.files) look.want(spec.cwd / file, true);
  look.want_pages("pages-manifest.json", !copied);
  look.want_pages("app-paths-manifest.json", !copied);
  if (!copied && spec.health.assets && config.asset_prefix.empty()) {
    look.want_static("build-manifest.json");
    look.want_static("app-build-manifest.json");
  }
  return look.gap();
}

bool has_root_page(const fs::path& dist, const std::optional<Credentials>& credentials) {
  const auto app = read_app_file(dist / "server/app-paths-manifest.json", credentials);
  if (app && names_page(*app, "/page")) return true;
  const auto pages = read_app_file(dist / "server/pages-manifest.json", credentials);
  return pages && names_page(*pages, "/");
}

}  // namespace dixis
