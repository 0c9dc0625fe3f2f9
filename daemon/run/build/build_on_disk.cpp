// Reads the build of an app. All files are looked at with the app's own credentials.
#include "daemon/run/build/build_on_disk.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/model/command_facts.hpp"
#include "daemon/run/build/named_files.hpp"
#include "daemon/run/package_script.hpp"
#include "daemon/sys/app_files.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

namespace {

namespace fs = std::filesystem;
constexpr std::size_t kHead = 64U << 10U;

BuildFile look_at(const fs::path& file, const std::optional<Credentials>& credentials,
                  bool with_text) {
  BuildFile out;
  struct stat facts {};
  if (check_access(file, F_OK, credentials) != 0 || ::stat(file.c_str(), &facts) != 0) return out;
  if (!S_ISREG(facts.st_mode)) return out;
  out.exists = true;
  out.modified_ns = std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
  out.size = facts.st_size;
  if (with_text) {
    if (const auto text = read_app_file(file, credentials)) out.text = *text;
  }
  return out;
}

std::vector<std::string> command_words(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
  std::vector<std::string> out;
  for (std::string word; out.size() < 8 && std::getline(file, word, '\0');) out.push_back(word);
  return out;
}

/// A `next build` that works in that directory (its words as of 15.5.0: node …/.bin/next build).
std::optional<std::int64_t> find_builder(const fs::path& directory) {
  std::error_code error;
  const auto wanted = fs::canonical(directory, error);
  if (error) return std::nullopt;
  for (const auto& process : read_process_table(false)) {
    const auto cwd = fs::read_symlink("/proc/" + std::to_string(process.pid) + "/cwd", error);
    if (error || cwd != wanted) continue;
    const auto words = command_words(process.pid);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (fs::path(words[i]).filename() == "next" && words[i + 1] == "build") return process.pid;
    }
  }
  return std::nullopt;
}

void note_age(BuildOnDisk& build, std::initializer_list<const BuildFile*> files) {
  std::int64_t newest = 0;
  for (const auto* file : files) newest = std::max(newest, file->modified_ns);
  if (newest == 0) return;
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const auto ago = std::max<std::int64_t>(0, (now - newest) / 1'000'000);
  build.changed_ms_ago = std::min(build.changed_ms_ago.value_or(ago), ago);
}

std::int64_t directory_time_ns(const fs::path& directory) {
  struct stat facts {};
  if (::stat(directory.c_str(), &facts) != 0) return 0;
  return std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
}

/// The directory of the build: `.next`, else the one that says by itself that it is one.
std::string find_dist(const AppSpec& spec, const std::optional<Credentials>& credentials) {
  std::error_code error;
  if (fs::exists(spec.cwd / ".next", error)) return ".next";
  int looked = 0;
  for (const auto& entry : fs::directory_iterator(spec.cwd, error)) {
    if (++looked > 200) break;
    const auto name = entry.path().filename().string();
    const auto text = read_app_file(entry.path() / "required-server-files.json", credentials);
    if (!text) continue;
    const auto config = parse_required_server_files(*text);
    if (config && fs::path(config->dist_dir).filename() == name) return name;
  }
  return ".next";
}

/// What the command comes down to, `npm start` and the like resolved.
std::vector<std::string> program_of(const AppSpec& spec,
                                    const std::optional<Credentials>& credentials) {
  const auto inner = inner_command(spec.command).command;
  const auto script = read_script(inner, spec, credentials);
  return script ? script->command : inner;
}

/// An interpreter whose script isn't Next's: an app that only lies beside a build.
bool is_something_else(const std::vector<std::string>& program) {
  const auto name = program.empty() ? "" : fs::path(program.front()).filename().string();
  const auto begins = [&](std::string_view with) { return name.starts_with(with); };
  return begins("python") || begins("php") || begins("ruby") || begins("java") || name == "node" ||
         name == "nodejs" || name == "bun" || name == "deno";
}

/// `build: automatic`: a command that runs Next, whatever lies there; what could be a wrapper of
/// one, where `.next` is.
bool is_next(const AppSpec& spec, const std::optional<Credentials>& credentials) {
  std::error_code error;
  const bool there = fs::exists(spec.cwd / ".next", error);
  const auto program = program_of(spec, credentials);
  switch (next_kind(program)) {
    case NextKind::start:
      return true;
    case NextKind::dev:
      return false;  // it makes its build as it goes
    case NextKind::standalone: {
      const auto head = read_app_file_head(spec.cwd / "server.js", kHead, credentials);
      return there || (head && head->find("next/dist/server") != std::string::npos);
    }
    case NextKind::none:
      break;
  }
  return there && !is_something_else(program);
}

/// Of that build; nullopt: no directory can have such an id as its name.
std::optional<fs::path> ssg_manifest_of(const fs::path& dist, const std::string& id) {
  if (id.empty() || id == ".." || id.find('/') != std::string::npos) return std::nullopt;
  return dist / "static" / id / "_ssgManifest.js";
}

BuildOnDisk read_next(const AppSpec& spec, const std::optional<Credentials>& credentials) {
  BuildOnDisk out;
  out.next = true;
  NextFiles files;
  const auto dist_name = find_dist(spec, credentials);
  const auto dist = spec.cwd / dist_name;
  if (const auto text = read_app_file(dist / "required-server-files.json", credentials)) {
    if (auto config = parse_required_server_files(*text)) files.config = std::move(*config);
  }
  files.config.dist_dir = dist_name;
  files.build_id = look_at(dist / "BUILD_ID", credentials, true);
  files.export_marker = look_at(dist / "export-marker.json", credentials, false);
  const auto ssg_manifest = ssg_manifest_of(dist, build_id_in(files.build_id.text));
  if (ssg_manifest) files.ssg_manifest = look_at(*ssg_manifest, credentials, false);
  const auto standalone = dist / "standalone" / files.config.relative_app_dir;
  files.standalone_build_id = look_at(standalone / dist_name / "BUILD_ID", credentials, true);
  files.standalone_server = look_at(standalone / "server.js", credentials, false);
  auto own_server = look_at(spec.cwd / "server.js", credentials, false);

  // A standalone output that was copied to its own place: no export marker comes along (seen with
  // 15.5.0), and its server.js lies beside the build.
  const bool copied = files.config.standalone && !files.export_marker.exists &&
                      !files.standalone_build_id.exists && own_server.exists;
  if (copied) {
    files.export_marker = files.build_id;
    files.config.standalone = false;
  }
  auto verdict = judge_next_build(files);
  out.config = files.config;
  out.config.standalone = out.config.standalone || copied;
  out.id = std::move(verdict.id);
  out.complete = verdict.complete;
  out.missing = std::move(verdict.missing);
  out.copied = copied;
  out.has_root_page = has_root_page(dist, credentials);
  auto gap = out.complete ? find_gap(spec, files.config, copied, credentials) : std::nullopt;
  if (copied && own_server.size == 0) gap = Gap{spec.cwd / "server.js", "is empty"};
  if (gap) {
    out.complete = false;
    out.missing = gap->file.lexically_relative(spec.cwd).string() + " " + gap->what;
    out.watched.push_back(gap->file);
  }
  note_age(out, {&files.build_id, &files.export_marker, &files.standalone_server});
  for (const auto* name : {"", "server", "server/app", "server/pages", "server/chunks", "static",
                           "static/chunks", "static/css", "static/media"}) {
    BuildFile directory;
    directory.modified_ns = directory_time_ns(dist / name);
    note_age(out, {&directory});
  }
  if (const auto builder = find_builder(spec.cwd)) {
    // What is whole now will be emptied by it, or isn't written to its end.
    out.builder = "pid " + std::to_string(*builder);
    out.builder_pid = *builder;
    if (out.complete) out.missing = "`next build` is at work";
    out.complete = false;
  }
  for (const auto* name : {"BUILD_ID", "export-marker.json", "required-server-files.json", "trace",
                           "standalone/server.js"}) {
    out.watched.push_back(dist / name);
  }
  out.watched.push_back(standalone / dist_name / "BUILD_ID");
  if (ssg_manifest) out.watched.push_back(*ssg_manifest);
  return out;
}

BuildOnDisk read_id_file(const AppSpec& spec, const std::optional<Credentials>& credentials) {
  BuildOnDisk out;
  const auto& file = spec.health.build.id_file;
  out.watched.push_back(file);
  const auto found = look_at(file, credentials, true);
  note_age(out, {&found});
  const auto id = build_id_in(found.text);
  if (id.empty()) {
    out.missing = file.string() + (found.exists ? " is empty" : " is missing");
    return out;
  }
  out.id = id.substr(0, 200);
  out.complete = true;
  return out;
}

}  // namespace

Result<std::optional<BuildOnDisk>> read_build(const AppSpec& spec,
                                              const std::optional<Credentials>& credentials) {
  switch (spec.health.build.kind) {
    case BuildSpec::Kind::none:
      return std::optional<BuildOnDisk>();
    case BuildSpec::Kind::file:
      return std::optional<BuildOnDisk>(read_id_file(spec, credentials));
    case BuildSpec::Kind::automatic:
      if (!is_next(spec, credentials)) return std::optional<BuildOnDisk>();
      break;
    case BuildSpec::Kind::next:
      break;
  }
  return std::optional<BuildOnDisk>(read_next(spec, credentials));
}

}  // namespace dixis
