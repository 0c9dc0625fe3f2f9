#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

/// What the files of a Next.js build say. Pure: texts and times in, facts out.
namespace dixis {

/// The id that the text of an id file holds; "" if there is none.
std::string build_id_in(std::string_view text);

/// A file as it was found.
struct BuildFile {
  bool exists = false;
  std::int64_t modified_ns = 0;
  std::int64_t size = 1;
  std::string text{};  ///< empty where only existence and time matter
};

/// From `required-server-files.json` (present once a build got that far), else defaults.
struct NextConfig {
  std::string dist_dir{".next"};     ///< relative to the app's directory
  std::string base_path{};           ///< "" or "/shop"
  std::string asset_prefix{};        ///< "" or "https://cdn…"
  bool standalone = false;           ///< output: standalone
  std::string relative_app_dir{};    ///< standalone: where server.js lies below .next/standalone
  std::vector<std::string> files{};  ///< what a server needs, relative to the app's directory
};
Result<NextConfig> parse_required_server_files(std::string_view json);

/// The browser's files that `build-manifest.json` or `app-build-manifest.json` names, relative to
/// the build's directory ("static/chunks/main-….js"), each once. nullopt: it isn't JSON.
std::optional<std::vector<std::string>> static_files_of_manifest(std::string_view json);

/// The pages that `server/pages-manifest.json` or `server/app-paths-manifest.json` names, relative
/// to `server` ("app/page.js"). nullopt: it isn't JSON.
std::optional<std::vector<std::string>> pages_of_manifest(std::string_view json);

/// Whether such a manifest has this key ("/page", "/").
bool names_page(std::string_view json, std::string_view page);

/// The files that a trace ("….nft.json") names, relative to its own directory. nullopt: it isn't
/// JSON.
std::optional<std::vector<std::string>> traced_files(std::string_view json);

/// The files that tell whether a build is whole.
struct NextFiles {
  BuildFile build_id{};
  BuildFile export_marker{};
  BuildFile ssg_manifest{};  ///< static/<id>/_ssgManifest.js, written right before the marker
  BuildFile standalone_build_id{};
  BuildFile standalone_server{};
  NextConfig config{};
};

/// The verdict, for people too.
struct NextBuild {
  std::optional<std::string> id{};
  bool complete = false;
  std::string missing{};  ///< why not complete: ".next/standalone/server.js is missing"
};
/// Times tell an earlier build's files from this one's, unless they were lost in copying.
NextBuild judge_next_build(const NextFiles& files);

/// The build ids that an HTML page names (App Router `\"b\":\"<id>\"`, Pages Router "buildId").
std::vector<std::string> build_ids_of_page(std::string_view html);

/// The paths below /_next/static/ that an HTML page names, each once, in order, decoded from HTML
/// but not from URL form; at most `limit`. Those under `asset_prefix` or `base_path` count, too.
std::vector<std::string> assets_of_page(std::string_view html, const NextConfig& config,
                                        std::size_t limit = 300);

/// "836NPoCn…" for tables.
std::string short_build_id(std::string_view id);

}  // namespace dixis
