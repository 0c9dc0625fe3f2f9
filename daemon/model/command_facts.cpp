#include "daemon/model/command_facts.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "daemon/model/instance_words.hpp"
#include "daemon/model/words.hpp"

namespace dixis {
namespace {

using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_node(std::string_view program) {
  const auto name = base_name(program);
  return name == "node" || name == "nodejs";
}

bool is_php(std::string_view program) {
  // php, php8.2, php-cli
  const auto name = base_name(program);
  return name == "php" || (starts_with(name, "php") &&
                           name.find_first_not_of("0123456789.-cli", 3) == std::string::npos);
}

/// The index of the script in `node --flag script.js`. Node's flags that take a word of their own
/// are few.
std::size_t node_script(const Words& command) {
  static const std::set<std::string> with_value = {
      "-r",         "--require", "--import",    "--loader", "--experimental-loader",
      "--env-file", "-C",        "--conditions"};
  static const std::set<std::string> evaluating = {"-e", "--eval", "-p", "--print", "-pe"};
  std::size_t i = 1;
  while (i < command.size() && starts_with(command[i], "-")) {
    if (evaluating.contains(command[i])) return command.size();
    i += with_value.contains(command[i]) ? 2 : 1;
  }
  return i;
}

/// The index after the word that is Next's program, or 0.
std::size_t after_next_program(const Words& command) {
  if (command.empty()) return 0;
  if (base_name(command[0]) == "next") return 1;
  if (!is_node(command[0])) return 0;
  const auto script = node_script(command);
  if (script >= command.size()) return 0;
  const std::string_view path = command[script];
  const bool is_next = path.ends_with("next/dist/bin/next") || path.ends_with(".bin/next");
  return is_next ? script + 1 : 0;
}

NextKind next_kind_of_inner(const Words& command) {
  if (const auto first = after_next_program(command); first != 0) {
    if (first >= command.size() || starts_with(command[first], "-")) return NextKind::dev;
    if (command[first] == "start") return NextKind::start;
    return command[first] == "dev" ? NextKind::dev : NextKind::none;
  }
  if (!command.empty() && is_node(command[0])) {
    const auto script = node_script(command);
    if (script < command.size() && base_name(command[script]) == "server.js")
      return NextKind::standalone;
  }
  return NextKind::none;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0 || number > 65535)
    return std::nullopt;
  return static_cast<std::uint16_t>(number);
}

Error unknown_port(const std::string& who, const std::string& value) {
  return {who + " says '" + value +
              "', which isn't a port from 1 to 65535: where the app will "
              "listen can't be known",
          "add port: NUMBER, or port: none if it listens nowhere"};
}

/// What a command and its environment say, before the configuration's word.
struct Found {
  std::string host{};
  std::optional<std::uint16_t> port{};
  std::optional<Error> problem{};

  void take_port(const std::string& who, const std::string& value) {
    port = parse_port(value);
    if (!port) problem = unknown_port(who, value);
  }
};

std::optional<std::string> lookup(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  if (found == environment.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

Found facts_of_next(const Words& command, const Environment& environment) {
  Found found;
  for (const auto* name : {"-H", "--hostname"})
    if (const auto host = command_option(command, name)) found.host = *host;
  for (const auto* name : {"-p", "--port"}) {
    if (const auto port = command_option(command, name)) {
      found.take_port(std::string("the command's ") + name, *port);
      return found;
    }
  }
  found.port = 3000;
  if (const auto port = lookup(environment, "PORT")) found.take_port("PORT", *port);
  return found;
}

Found facts_of_artisan(const Words& command, const Environment& environment) {
  Found found{"127.0.0.1", 8000, {}};
  if (const auto host = lookup(environment, "SERVER_HOST")) found.host = *host;
  if (const auto host = command_option(command, "--host")) found.host = *host;
  if (const auto port = command_option(command, "--port")) {
    found.take_port("the command's --port", *port);
  } else if (const auto server_port = lookup(environment, "SERVER_PORT")) {
    found.take_port("SERVER_PORT", *server_port);
  }
  return found;
}

std::optional<Found> facts_of_php(const Words& command, const Environment& environment) {
  if (command.empty() || !is_php(command[0])) return std::nullopt;
  for (std::size_t i = 1; i + 1 < command.size(); ++i)
    if (base_name(command[i]) == "artisan" && command[i + 1] == "serve")
      return facts_of_artisan(command, environment);
  const auto address = command_option(command, "-S");
  if (!address) return std::nullopt;
  Found found;
  if (const auto parsed = parse_listen_address(*address)) {
    found.host = parsed->host;
    found.port = parsed->port;
  } else {
    found.problem = unknown_port("the command's -S", *address);
  }
  return found;
}

bool looks_like_address(std::string_view host) {
  // HOST and HOSTNAME may be the machine's name, which says nothing about the app.
  return host == "localhost" || host.find(':') != std::string_view::npos ||
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

Found facts_of_any(const Words& command, const Environment& environment) {
  static const std::set<std::string> connects_elsewhere = {"ssh", "autossh", "sshpass", "mkdir"};
  Found found;
  for (const auto* name : {"HOSTNAME", "HOST"})
    if (const auto host = lookup(environment, name); host && looks_like_address(*host))
      found.host = *host;
  for (const auto* name : {"--host", "--hostname"})
    if (const auto host = command_option(command, name)) found.host = *host;
  if (!command.empty() && connects_elsewhere.contains(base_name(command[0]))) return found;
  if (const auto port = command_option(command, "--port")) {
    found.take_port("the command's --port", *port);
    return found;
  }
  // -p means a port to most servers, but not to all programs: only a number counts.
  const bool evaluates =
      !command.empty() && is_node(command[0]) && node_script(command) >= command.size();
  if (const auto port = command_option(command, "-p"); port && !evaluates && parse_port(*port)) {
    found.port = parse_port(*port);
    return found;
  }
  if (const auto port = lookup(environment, "PORT")) found.take_port("PORT", *port);
  return found;
}

/// Where nothing but the directory shows that a server.js is Next's.
bool lies_in_standalone_output(const AppSpec& spec, const Words& command) {
  const auto script = node_script(command);
  return script < command.size() &&
         (spec.cwd / command[script]).generic_string().find(".next/standalone/") !=
             std::string::npos;
}

Found facts(const AppSpec& spec, const Words& command, const Environment& environment) {
  switch (next_kind_of_inner(command)) {
    case NextKind::start:
    case NextKind::dev:
      return facts_of_next(command, environment);
    case NextKind::standalone: {
      Found found;
      if (const auto host = lookup(environment, "HOSTNAME")) found.host = *host;
      if (const auto port = lookup(environment, "PORT")) found.take_port("PORT", *port);
      if (!found.port && !found.problem && lies_in_standalone_output(spec, command))
        found.port = 3000;
      return found;
    }
    case NextKind::none:
      break;
  }
  if (auto php = facts_of_php(command, environment)) return *php;
  return facts_of_any(command, environment);
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Error expected{
      "expected ADDRESS:PORT, [IPV6]:PORT or PORT; got '" + std::string(text) + "'",
      "for example 127.0.0.1:3000 or [::]:3000"};
  const auto colon = text.rfind(':');
  ListenAddress address;
  auto port = text;
  if (colon != std::string_view::npos) {
    auto host = text.substr(0, colon);
    port = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (!bracketed && host.find(':') != std::string_view::npos)
      return Error{expected.message, "an IPv6 address stands in brackets: [::1]:3000"};
    if (host.empty() || host.find_first_of(" \t[]/") != std::string_view::npos) return expected;
    address.host = host;
  }
  const auto number = parse_port(port);
  if (!number) return Error{expected.message, "a port is a number from 1 to 65535"};
  address.port = *number;
  return address;
}

NextKind next_kind(const Words& command) {
  return next_kind_of_inner(inner_command(command).command);
}

std::optional<std::string> command_option(const Words& command, std::string_view name) {
  const bool is_short = name.size() == 2;
  for (std::size_t i = 1; i < command.size(); ++i) {
    const std::string_view word = command[i];
    if (word == name) return i + 1 < command.size() ? command[i + 1] : std::string{};
    if (!starts_with(word, name)) continue;
    if (word[name.size()] == '=') return std::string(word.substr(name.size() + 1));
    if (is_short) return std::string(word.substr(name.size()));
  }
  return std::nullopt;
}

bool looks_like_next(const AppSpec& spec) {
  const auto kind = next_kind(spec.command);
  if (spec.health.build.kind == BuildSpec::Kind::next || kind == NextKind::start ||
      kind == NextKind::dev || base_name(spec.cwd.parent_path().string()) == ".next")
    return true;
  // Within `bash -c "cd frontend && next start"`, too.
  const auto names_next = [](std::string_view word) {
    while (!word.empty()) {
      const auto end = std::min(word.find_first_of(" \t\n/;&|=\"'"), word.size());
      const auto part = word.substr(0, end);
      if (part == "next" || part == ".next" || part == "next-server") return true;
      word.remove_prefix(std::min(end + 1, word.size()));
    }
    return false;
  };
  return std::any_of(spec.command.begin(), spec.command.end(), names_next);
}

Result<std::optional<ListenAddress>> find_listen_address(const AppSpec& spec, const Words& command,
                                                         const Environment& environment) {
  if (spec.no_port) return std::optional<ListenAddress>{};
  const auto inner = inner_command(command);
  auto all = environment;
  for (const auto& [name, value] : inner.environment) all[name] = value;
  const auto found = facts(spec, inner.command, all);
  if (spec.listen) {  // its host too, if it has one: else the app's own word is the best there is
    const auto& host = spec.listen->host.empty() ? found.host : spec.listen->host;
    return std::optional(ListenAddress{host, spec.listen->port});
  }
  if (found.problem) return *found.problem;
  if (!found.port) return std::optional<ListenAddress>{};
  return std::optional(ListenAddress{found.host, *found.port});
}

std::optional<ListenAddress> listen_address(const AppSpec& spec, const Words& command,
                                            const Environment& environment) {
  const auto found = find_listen_address(spec, command, environment);
  return found ? *found : std::nullopt;
}

Result<std::optional<ListenAddress>> find_listen_address_of_instance(const AppSpec& spec,
                                                                     std::uint32_t instance) {
  auto command = spec.command;
  auto environment = spec.env;
  for (auto& word : command) word = for_instance(word, instance);
  for (auto& [name, value] : environment) value = for_instance(value, instance);
  return find_listen_address(spec, command, environment);
}

std::optional<ListenAddress> listen_address_of_instance(const AppSpec& spec,
                                                        std::uint32_t instance) {
  const auto found = find_listen_address_of_instance(spec, instance);
  return found ? *found : std::nullopt;
}

}  // namespace dixis
