#include "daemon/model/next_build.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <boost/json.hpp>

namespace dixis {

namespace {

namespace bj = boost::json;
constexpr std::size_t kLongestId = 200;

std::string text_at(const bj::object& object, std::string_view key) {
  const auto* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

bool is_id_letter(char letter) {
  const auto c = static_cast<unsigned char>(letter);
  return std::isalnum(c) != 0 || letter == '-' || letter == '_' || letter == '.' || letter == '~';
}

/// What stands in quotation marks after each `marker`, if it looks like an id.
void collect_ids(std::string_view html, std::string_view marker, std::vector<std::string>& out) {
  for (auto at = html.find(marker); at != std::string_view::npos; at = html.find(marker, at)) {
    at += marker.size();
    auto end = at;
    while (end < html.size() && is_id_letter(html[end])) ++end;
    const std::string id(html.substr(at, end - at));
    const bool ends = end < html.size() && (html[end] == '"' || html[end] == '\\');
    if (!id.empty() && ends && std::find(out.begin(), out.end(), id) == out.end()) {
      out.push_back(id);
    }
  }
}

std::optional<bj::value> parsed(std::string_view json) {
  boost::system::error_code error;
  auto document = bj::parse(json, error);
  if (error) return std::nullopt;
  return document;
}

/// Every text that is a path below static/, however deep it lies. NOLINTNEXTLINE(misc-no-recursion)
void collect_static(const bj::value& value, std::set<std::string>& out) {
  if (value.is_string()) {
    if (value.get_string().starts_with("static/")) out.emplace(value.get_string());
  } else if (value.is_array()) {
    for (const auto& item : value.get_array()) collect_static(item, out);
  } else if (value.is_object()) {
    for (const auto& member : value.get_object()) collect_static(member.value(), out);
  }
}

/// "&amp;" and its like, as far as they occur in addresses.
std::string from_html(std::string text) {
  for (const auto& [entity, letter] : {std::pair("&amp;", '&'), std::pair("&#x27;", '\''),
                                       std::pair("&quot;", '"'), std::pair("&#x2F;", '/')}) {
    for (auto at = text.find(entity); at != std::string::npos; at = text.find(entity, at + 1)) {
      text.replace(at, std::string_view(entity).size(), 1, letter);
    }
  }
  return text;
}

}  // namespace

Result<NextConfig> parse_required_server_files(std::string_view json) {
  boost::system::error_code error;
  const auto document = bj::parse(json, error);
  const std::string what = "required-server-files.json is not what Next.js writes";
  if (error || !document.is_object()) return Error{what + ": " + error.message()};
  const auto* const config = document.get_object().if_contains("config");
  if (config == nullptr || !config->is_object()) return Error{what + ": it has no config"};
  NextConfig out;
  const auto& object = config->get_object();
  if (auto dist = text_at(object, "distDir"); !dist.empty()) out.dist_dir = dist;
  out.base_path = text_at(object, "basePath");
  out.asset_prefix = text_at(object, "assetPrefix");
  out.standalone = text_at(object, "output") == "standalone";
  out.relative_app_dir = text_at(document.get_object(), "relativeAppDir");
  if (const auto* const files = document.get_object().if_contains("files");
      files != nullptr && files->is_array()) {
    for (const auto& file : files->get_array()) {
      if (file.is_string()) out.files.emplace_back(file.get_string());
    }
  }
  return out;
}

std::optional<std::vector<std::string>> static_files_of_manifest(std::string_view json) {
  const auto document = parsed(json);
  if (!document) return std::nullopt;
  std::set<std::string> out;
  collect_static(*document, out);
  return std::vector<std::string>(out.begin(), out.end());
}

std::optional<std::vector<std::string>> pages_of_manifest(std::string_view json) {
  const auto document = parsed(json);
  if (!document) return std::nullopt;
  std::vector<std::string> out;
  if (!document->is_object()) return out;
  for (const auto& page : document->get_object()) {
    if (page.value().is_string()) out.emplace_back(page.value().get_string());
  }
  return out;
}

bool names_page(std::string_view json, std::string_view page) {
  const auto document = parsed(json);
  return document && document->is_object() && document->get_object().contains(page);
}

std::optional<std::vector<std::string>> traced_files(std::string_view json) {
  const auto document = parsed(json);
  if (!document) return std::nullopt;
  std::vector<std::string> out;
  const auto* const files =
      document->is_object() ? document->get_object().if_contains("files") : nullptr;
  if (files == nullptr || !files->is_array()) return out;
  for (const auto& file : files->get_array()) {
    if (file.is_string()) out.emplace_back(file.get_string());
  }
  return out;
}

std::string build_id_in(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

NextBuild judge_next_build(const NextFiles& files) {
  NextBuild out;
  const auto& dist = files.config.dist_dir;
  if (!files.build_id.exists) {
    out.missing = dist + "/BUILD_ID is missing";
    return out;
  }
  const auto id = build_id_in(files.build_id.text);
  if (id.empty()) {
    out.missing = dist + "/BUILD_ID is empty";
    return out;
  }
  if (id.size() > kLongestId) {
    out.missing = dist + "/BUILD_ID is longer than " + std::to_string(kLongestId) + " bytes";
    return out;
  }
  out.id = id;
  // BUILD_ID comes seconds before the build has ended (DESIGN, 'Traps').
  const bool in_order = files.export_marker.modified_ns >= files.build_id.modified_ns;
  if (!files.export_marker.exists) {
    out.missing = dist + "/export-marker.json is missing";
  } else if (!in_order && !files.ssg_manifest.exists) {
    out.missing = dist + "/export-marker.json is older than BUILD_ID";
  } else if (files.config.standalone) {
    if (!files.standalone_build_id.exists) {
      out.missing = dist + "/standalone is missing";
    } else if (build_id_in(files.standalone_build_id.text) != id) {
      out.missing = dist + "/standalone is of build " +
                    short_build_id(build_id_in(files.standalone_build_id.text));
    } else if (!files.standalone_server.exists) {
      out.missing = dist + "/standalone/server.js is missing";
    } else if (files.standalone_server.size == 0) {
      out.missing = dist + "/standalone/server.js is empty";
    } else if (in_order && files.standalone_server.modified_ns < files.build_id.modified_ns) {
      out.missing = dist + "/standalone/server.js is older than BUILD_ID";
    }
  }
  out.complete = out.missing.empty();
  return out;
}

std::vector<std::string> build_ids_of_page(std::string_view html) {
  std::vector<std::string> out;
  collect_ids(html, "\\\"b\\\":\\\"", out);  // App Router: JSON within a string of a script
  collect_ids(html, "\"buildId\":\"", out);  // Pages Router
  return out;
}

std::vector<std::string> assets_of_page(std::string_view html, const NextConfig& config,
                                        std::size_t limit) {
  constexpr std::string_view kStatic = "/_next/static/";
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (auto at = html.find(kStatic); at != std::string_view::npos && out.size() < limit;
       at = html.find(kStatic, at)) {
    auto end = html.find_first_of("\"'\\ <>)?#", at);
    if (end == std::string_view::npos) end = html.size();
    auto path = from_html(std::string(html.substr(at, end - at)));
    // What comes before tells whose it is: nothing or the base path are ours, the prefix is, too.
    const bool at_prefix =
        !config.asset_prefix.empty() && html.substr(0, at).ends_with(config.asset_prefix);
    const bool foreign = at > 0 && !at_prefix && !html.substr(0, at).ends_with(config.base_path);
    at = end;
    const bool is_file = path.size() > kStatic.size() && path.back() != '/';
    if (!foreign && is_file && seen.insert(path).second) out.push_back(std::move(path));
  }
  return out;
}

std::string short_build_id(std::string_view id) {
  constexpr std::size_t kShown = 8;
  return id.size() <= kShown + 1 ? std::string(id) : std::string(id.substr(0, kShown)) + "…";
}

}  // namespace dixis
