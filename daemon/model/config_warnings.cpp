#include "daemon/model/config_warnings.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "daemon/model/command_facts.hpp"

namespace dixis {
namespace {

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// One app, and what its command comes down to.
class Pitfalls {
 public:
  Pitfalls(ConfigReader& reader, const AppDraft& app)
      : reader_(reader),
        app_(app),
        spec_(app.spec),
        inner_(inner_command(app.spec.command)),
        kind_(next_kind(app.spec.command)),
        is_next_(looks_like_next(app.spec)) {}

  void report() {
    probes();
    development();
    ports();
    keep_alive();
  }

 private:
  void warn(std::string message, std::string hint) {
    reader_.warning(spec_.defined_at, "apps." + spec_.name, std::move(message), std::move(hint));
  }

  /// As far as the configuration tells; env_file may say more.
  std::optional<std::string> variable(const std::string& name) const {
    for (const auto* environment : {&inner_.environment, &spec_.env}) {
      const auto found = environment->find(name);
      if (found != environment->end()) return found->second;
    }
    return std::nullopt;
  }

  /// A Next app is probed without being asked, and a script of package.json may start one.
  bool may_have_default_probe() const {
    const auto build = spec_.health.build.kind;
    if (build == BuildSpec::Kind::none || build == BuildSpec::Kind::file) return false;
    std::error_code error;
    return is_next_ || package_script(inner_.command).has_value() ||
           std::filesystem::exists(spec_.cwd / ".next", error);
  }

  void probes() {
    const auto& probes = spec_.health.probes;
    if (!probes) {
      const auto port = listen_address_of_instance(spec_, 0);
      if (port && !may_have_default_probe())
        warn("no probe: a hung process would not be noticed",
             "add health: {http: /PATH} or health: {exec: COMMAND}, or health: none");
      return;
    }
    const bool only_tcp =
        !probes->empty() && std::all_of(probes->begin(), probes->end(), [](const auto& probe) {
          return std::holds_alternative<TcpProbe>(probe.what);
        });
    if (only_tcp)
      warn("tcp alone can't see a frozen process: the kernel accepts for it",
           "add a probe that wants an answer: {http: /PATH} or {exec: COMMAND}");
  }

  void development() {
    if (kind_ == NextKind::dev) {
      warn("'next dev' is for development: it compiles at each request, and serves no build",
           "run next build, and next start here");
    } else if (is_next_ && spec_.env_files.empty() && !variable("NODE_ENV") &&
               (kind_ == NextKind::start || kind_ == NextKind::standalone)) {
      warn("NODE_ENV is not set", "add env: {NODE_ENV: production}");
    }
  }

  /// PORT against `listen` or `port`, unless the command's own -p makes PORT void.
  void ports() {
    const auto port = variable("PORT");
    if (!spec_.listen || !port || whole_number(*port) == std::int64_t{spec_.listen->port}) return;
    auto without = spec_;
    without.listen.reset();
    const auto own = listen_address(without, without.command, without.env);
    if (own && own->port == spec_.listen->port) return;
    warn("PORT in env is " + *port + ", and '" + (app_.spec.held.empty() ? "port" : "listen") +
             "' says " + std::to_string(spec_.listen->port),
         "an app that obeys PORT is never found where it should listen; make them the same");
  }

  void keep_alive() {
    if (!is_next_ && kind_ != NextKind::standalone) return;
    const auto option = command_option(inner_.command, "--keepAliveTimeout");
    const auto in_env = variable("KEEP_ALIVE_TIMEOUT");
    if (option) {
      too_short("--keepAliveTimeout", *option);
    } else if (in_env && kind_ == NextKind::start) {
      warn("'next start' doesn't read KEEP_ALIVE_TIMEOUT; only a standalone server.js does",
           "add --keepAliveTimeout 61000 to the command");
    } else if (in_env) {
      too_short("KEEP_ALIVE_TIMEOUT", *in_env);
    }
  }

  void too_short(const std::string& name, const std::string& value) {
    // nginx keeps a connection to its upstream for 60 s; who closes first must be nginx.
    constexpr std::int64_t kLeast = 61'000;
    const auto milliseconds = whole_number(value);
    if (!milliseconds || *milliseconds >= kLeast) return;
    warn(name + " is " + value +
             " ms, below the 60 s of nginx: a request may meet a connection that the app just "
             "closed, and fail with 502",
         "at least 61000");
  }

  ConfigReader& reader_;
  const AppDraft& app_;
  const AppSpec& spec_;
  InnerCommand inner_;
  NextKind kind_;
  bool is_next_;
};

}  // namespace

void warn_of_pitfalls(ConfigReader& reader, const AppDraft& app) {
  Pitfalls(reader, app).report();
}

}  // namespace dixis
