#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// What an app's health is asked by, and how its build is known. Values only.
namespace dixis {

/// HTTP status codes, both ends included.
struct StatusRange {
  int first = 200;
  int last = 299;
  bool operator==(const StatusRange&) const = default;
};

struct HttpProbe {
  std::optional<std::filesystem::path> socket{};  ///< a Unix socket instead of host and port
  std::string host{};                             ///< a number or "localhost"; empty: the app's own
  std::uint16_t port = 0;                         ///< 0: the app's own
  std::string method{"GET"};
  std::string path{"/"};  ///< with query
  std::map<std::string, std::string> headers{};
  std::vector<StatusRange> status{StatusRange{}};
  std::map<std::string, std::string> expect_headers{};  ///< names in lower case
  std::vector<std::string> contains{};                  ///< texts that the body must hold
  std::vector<std::string> lacks{};                     ///< texts that it must not hold
  std::optional<std::string> matches{};                 ///< ECMAScript expression, checked already
  bool operator==(const HttpProbe&) const = default;
};

struct TcpProbe {
  std::string host{};      ///< a number or "localhost"; empty: the app's own
  std::uint16_t port = 0;  ///< 0: the app's own
  bool operator==(const TcpProbe&) const = default;
};

struct ExecProbe {
  std::vector<std::string> command{};
  bool operator==(const ExecProbe&) const = default;
};

/// sd_notify(3): READY=1 is the proof; with a watchdog, WATCHDOG=1 is due in each interval.
struct NotifyProbe {
  bool watchdog = false;  ///< `interval` was written
  bool operator==(const NotifyProbe&) const = default;
};

/// The manifest of a Next build: any answer below 500 is alive.
struct ManifestProbe {
  bool operator==(const ManifestProbe&) const = default;
};

struct ProbeSpec {
  std::variant<HttpProbe, TcpProbe, ExecProbe, NotifyProbe, ManifestProbe> what{};
  std::string name{};  ///< as people see it: "http /api/health", "tcp 3000", "exec check.sh", …
  std::chrono::milliseconds interval{10'000};  ///< from start to start
  std::chrono::milliseconds timeout{2'000};    ///< at most `interval`
  std::uint32_t failures = 3;                  ///< in a row: unhealthy
  std::uint32_t successes = 1;                 ///< in a row: healthy again
  bool operator==(const ProbeSpec&) const = default;
};

enum class OnUnhealthy { restart, mark };
enum class OnNewBuild { nothing, restart, reload };

struct BuildSpec {
  enum class Kind { automatic, none, next, file };  ///< automatic: next where `.next` is in cwd
  Kind kind = Kind::automatic;
  std::filesystem::path id_file{};  ///< absolute; kind `file`
  /// Kind `file`: an HTTP path whose answer must hold the id; empty: only the file is compared.
  std::string verify{};
  bool operator==(const BuildSpec&) const = default;
};

struct HealthSpec {
  std::optional<std::vector<ProbeSpec>> probes{};  ///< nullopt: not written; empty: `health: none`
  OnUnhealthy on_unhealthy = OnUnhealthy::restart;
  BuildSpec build{};
  OnNewBuild on_new_build = OnNewBuild::nothing;
  std::chrono::milliseconds new_build_settle{2'000};
  bool assets = true;  ///< the proof of a Next app follows the assets of its page
  bool operator==(const HealthSpec&) const = default;
};

}  // namespace dixis
