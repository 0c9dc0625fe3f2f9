#include "ctl/offline_logs.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fnmatch.h>

#include "common/log_index.hpp"
#include "common/paths.hpp"

namespace dixis::ctl {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kLargestPlaces = std::size_t{16} << 20U;

/// What the last daemon on this socket told of its logs.
std::vector<ShownLog> told_beside(const fs::path& socket) {
  std::vector<ShownLog> logs;
  const auto file = logs::OpenFile::open(socket.parent_path() / kLogPlacesName);
  if (!file || file->size() > kLargestPlaces) return logs;
  boost::system::error_code error;
  const auto document =
      boost::json::parse(file->read(0, static_cast<std::size_t>(file->size())), error);
  const auto* list =
      error || !document.is_object() ? nullptr : document.get_object().if_contains("logs");
  if (list == nullptr || !json::read(*list, logs)) logs.clear();
  return logs;
}

/// The logs that lie in a directory.
std::vector<ShownLog> logs_in(const fs::path& directory) {
  std::vector<ShownLog> logs;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    for (const std::string stream : {"out", "err"}) {
      const std::string ending = "-" + stream + ".log";
      if (!name.ends_with(ending) || name.size() == ending.size()) continue;
      logs.push_back({name.substr(0, name.size() - ending.size()), stream, entry->path().string()});
    }
  }
  // Standard output comes first, as with a daemon.
  std::sort(logs.begin(), logs.end(), [](const ShownLog& a, const ShownLog& b) {
    return std::pair(a.app, b.stream) < std::pair(b.app, a.stream);
  });
  return logs;
}

std::vector<ShownLog> find_logs(const Context& context) {
  const auto& socket = context.arguments.socket;
  const auto facts = path_facts();
  const auto sockets = socket ? std::vector<fs::path>{*socket} : socket_candidates(facts);
  for (const auto& path : sockets) {
    auto logs = told_beside(path);
    if (!logs.empty()) return logs;
  }
  if (socket) return {};
  return logs_in(default_paths(facts).log_dir);
}

/// Whether a target names an app, and which of its instances.
struct Match {
  bool fits = false;
  std::optional<std::uint32_t> instance{};
};

Match match(const std::string& target, const std::string& app) {
  const auto fits = [&](const std::string& pattern) {
    return pattern == "all" || ::fnmatch(pattern.c_str(), app.c_str(), 0) == 0;
  };
  if (fits(target)) return {true, {}};
  const auto colon = target.rfind(':');
  if (colon == std::string::npos || !fits(target.substr(0, colon))) return {};
  std::uint32_t number = 0;
  const char* end = target.data() + target.size();
  const auto [stop, error] = std::from_chars(target.data() + colon + 1, end, number);
  if (error != std::errc() || stop != end) return {};
  return {true, number};
}

/// What is wanted of a log; nullopt: nothing.
std::optional<logs::WantedLog> wanted(const Arguments& arguments, const ShownLog& log) {
  if ((arguments.logs.err && log.stream != "err") || (arguments.logs.out && log.stream != "out")) {
    return std::nullopt;
  }
  logs::WantedLog out{log.file, {}, {}, {}};
  bool fits = arguments.operands.empty();
  bool whole = fits;
  for (const auto& target : arguments.operands) {
    const Match found = match(target, log.app);
    fits = fits || found.fits;
    whole = whole || (found.fits && !found.instance);
    if (found.instance) out.instances = out.instances.value_or(std::set<std::uint32_t>());
    if (found.instance) out.instances->insert(*found.instance);
  }
  if (!fits) return std::nullopt;
  if (whole) out.instances.reset();
  if (arguments.logs.instance) out.instances = std::set<std::uint32_t>{*arguments.logs.instance};
  return out;
}

using Lives = std::map<std::uint32_t, std::uint64_t>;

/// The youngest generation of each instance that its index names. Without a daemon nobody knows
/// which of them run.
void add_youngest(const fs::path& log, Lives& lives) {
  const auto index = logs::OpenFile::open(log_index(log));
  if (!index) return;
  const auto bytes = index->read(0, static_cast<std::size_t>(index->size()));
  for (const auto& record : parse_log_index(bytes, ~std::uint64_t{0})) {
    if (record.generation == 0) continue;
    auto& life = lives[record.instance];
    life = std::max<std::uint64_t>(life, record.generation);
  }
}

std::map<std::string, Lives> youngest_lives(const std::vector<ShownLog>& logs) {
  std::map<std::string, Lives> lives;
  logs::Listing listing;
  for (const auto& log : logs) {
    add_youngest(log.file, lives[log.app]);
    const auto rotated = listing.numbers(log.file);
    if (!rotated.empty()) add_youngest(rotated_log(log.file, rotated.back()), lives[log.app]);
  }
  return lives;
}

/// A query of what was asked for; `chosen` becomes its logs.
Answer<logs::Query> query_of(const Arguments& arguments, const std::vector<ShownLog>& all,
                             std::vector<ShownLog>& chosen) {
  for (const auto& target : arguments.operands) {
    const bool known = std::any_of(
        all.begin(), all.end(), [&](const ShownLog& log) { return match(target, log.app).fits; });
    if (!known) {
      return Failure{Trouble::no_such_app, "there is no daemon, and no log of '" + target + "'",
                     "start `dixisd`, or look into its log directory"};
    }
  }
  logs::Query query;
  const auto& options = arguments.logs;
  if (options.grep) {
    auto pattern = logs::Pattern::compile(*options.grep);
    if (!pattern) return Failure{Trouble::usage, pattern.error().message, pattern.error().hint};
    query.pattern = *pattern;
  }
  query.lines = options.lines;
  query.since_ms = options.since_ms;
  query.until_ms = options.until_ms;
  for (const auto& log : all) {
    auto want = wanted(arguments, log);
    if (!want) continue;
    chosen.push_back(log);
    query.logs.push_back(std::move(*want));
  }
  if (options.last_life) {
    const auto lives = youngest_lives(all);
    for (std::size_t i = 0; i < chosen.size(); ++i) query.logs[i].lives = lives.at(chosen[i].app);
  }
  return query;
}

/// In words, why logs couldn't be opened, and whether that is so for all of them.
LogsReply unreadable(const logs::Reader& reader, const std::vector<ShownLog>& logs, bool& none) {
  LogsReply reply;
  std::size_t failed = 0;
  for (std::size_t log = 0; log < logs.size(); ++log) {
    if (reader.error(log) == 0) continue;
    ++failed;
    if (!reply.notes) reply.notes.emplace();
    reply.notes->push_back({log, "cannot read " + logs[log].file + ": " +
                                     std::generic_category().message(reader.error(log))});
  }
  none = failed == logs.size();
  return reply;
}

}  // namespace

Answer<void> read_logs_offline(const Context& context, const Failure& no_daemon,
                               const TakeLogs& take) {
  const auto all = find_logs(context);
  if (all.empty()) return no_daemon;
  std::vector<ShownLog> logs;
  auto query = query_of(context.arguments, all, logs);
  if (!query) return query.error();

  context.console.say("dixisctl: " + no_daemon.message + "; these are its files");
  LogsReply first;
  first.sources = logs;
  if (!take(first)) return {};
  logs::FrameCache frames;
  logs::Reader reader(std::move(*query), frames);
  for (bool more = true; more;) {
    logs::Chunk chunk;
    more = reader.step(chunk);
    if (!take(view_of(chunk, logs))) return {};
  }
  bool none = false;
  LogsReply last = unreadable(reader, logs, none);
  for (const auto& [log, position] : reader.positions()) {
    if (!last.positions) last.positions.emplace();
    last.positions->push_back({logs[log].file, logs::position_text(position)});
  }
  take(last);
  if (none) {
    return Failure{no_daemon.trouble, "no daemon, and none of its logs can be read",
                   "as root, or as a member of the group that may read them"};
  }
  return {};
}

}  // namespace dixis::ctl
