#include "daemon/model/config_logs.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "daemon/model/config_values.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

constexpr std::array<std::string_view, 2> kFormats = {"raw", "text"};
constexpr std::array<std::string_view, 2> kWhenFull = {"drop", "block"};
/// Below this, a file would hold less than what comes in one piece.
constexpr std::uint64_t kSmallest = 4096;

void read_size(R& r, const V& v, std::uint64_t& size) {
  const auto given = r.size(v);
  if (!given) return;
  if (*given < kSmallest) {
    r.problem(v, "expected a size of at least 4K; got '" + v.node.Scalar() + "'");
  } else {
    size = *given;
  }
}

void read_file(R& r, const V& v, std::string& file) {
  const auto text = path_text(r, v, "a file's name such as web-{instance}-out.log");
  if (!text) return;
  const std::filesystem::path path(*text);
  const bool inside = path.is_relative() && std::find(path.begin(), path.end(), "..") == path.end();
  if (!inside) {
    r.problem(v, "logs lie below the log directory, and '" + *text + "' does not",
              "write it relative to that; dixisd --log-dir says where that is");
  } else if (path.extension() != ".log" || path.stem().empty()) {
    r.problem(v, "expected a name that ends in .log; got '" + *text + "'");
  } else {
    file = path.lexically_normal().string();
  }
}

constexpr auto kLogsKeys = std::to_array<ConfigKey<LogSpec>>({
    {"out", [](R& r, const V& v, LogSpec& l) { read_file(r, v, l.out); }},
    {"err", [](R& r, const V& v, LogSpec& l) { read_file(r, v, l.err); }},
    {"max_size", [](R& r, const V& v, LogSpec& l) { read_size(r, v, l.max_size); }},
    {"keep",
     [](R& r, const V& v, LogSpec& l) {
       if (const auto n = r.integer(v, {1, 1'000'000})) l.keep = static_cast<std::uint32_t>(*n);
     }},
    {"max_age",
     [](R& r, const V& v, LogSpec& l) {
       if (const auto age = r.duration(v, Milliseconds{1000})) l.max_age = *age;
     }},
    {"max_total", [](R& r, const V& v, LogSpec& l) { read_size(r, v, l.max_total); }},
    {"format",
     [](R& r, const V& v, LogSpec& l) {
       if (const auto index = r.choice(v, kFormats)) l.format = LogSpec::Format(*index);
     }},
    {"when_full",
     [](R& r, const V& v, LogSpec& l) {
       if (const auto index = r.choice(v, kWhenFull)) l.when_full = LogSpec::WhenFull(*index);
     }},
});

using Ceiling = std::optional<std::uint64_t>;
constexpr auto kCeilingKeys = std::to_array<ConfigKey<Ceiling>>({
    {"max_total",
     [](R& r, const V& v, Ceiling& ceiling) {
       std::uint64_t size = 0;
       read_size(r, v, size);
       if (size > 0) ceiling = size;
     }},
});

/// Where the instances of an app would write.
std::vector<std::string> log_files(const AppSpec& spec) {
  constexpr std::string_view kInstance = "{instance}";
  std::vector<std::string> files;
  for (std::uint32_t instance = 0; instance < spec.instances; ++instance) {
    for (auto file : {spec.logs.out.empty() ? spec.name + "-out.log" : spec.logs.out,
                      spec.logs.err.empty() ? spec.name + "-err.log" : spec.logs.err}) {
      const auto number = std::to_string(instance);
      for (auto at = file.find(kInstance); at != std::string::npos; at = file.find(kInstance, at))
        file.replace(at, kInstance.size(), number);
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace

void read_logs(R& reader, const V& value, LogSpec& logs) {
  reader.map<LogSpec>(value, kLogsKeys, logs);
}

void read_log_ceiling(R& reader, const V& value, Ceiling& ceiling) {
  reader.map<Ceiling>(value, kCeilingKeys, ceiling);
}

void check_log_files(R& reader, const std::map<std::string, AppDraft>& drafts) {
  std::map<std::string, std::string> owners;
  for (const auto& [name, draft] : drafts) {
    for (const auto& file : log_files(draft.spec)) {
      const auto [owner, is_new] = owners.emplace(file, name);
      if (is_new || owner->second == name) continue;
      reader.problem(draft.spec.defined_at, "apps." + name + ".logs",
                     "'" + owner->second + "' and '" + name + "' would both write to " + file,
                     "give one of them another name with logs: {out: …, err: …}");
      break;
    }
  }
}

void append_log_ceiling_key_paths(std::vector<std::string>& paths) {
  append_key_paths<Ceiling>(paths, "logs", kCeilingKeys);
}

void append_log_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_key_paths<LogSpec>(paths, app + ".logs", kLogsKeys);
}

}  // namespace dixis
