// Wrappers: what `npm start`, `bash -c` and `env` come down to.
#include <algorithm>
#include <cctype>
#include <set>

#include <boost/json.hpp>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/words.hpp"

namespace dixis {
namespace {

using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

bool is_option(std::string_view word) {
  return !word.empty() && word[0] == '-';
}

/// NAME and value of a plain NAME=value; no quotes, nothing that a shell would expand.
std::optional<std::pair<std::string, std::string>> assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  const auto name = word.substr(0, equals);
  const auto value = word.substr(equals + 1);
  const bool is_name = std::all_of(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  if (!is_name || std::isdigit(static_cast<unsigned char>(name[0])) != 0) return std::nullopt;
  return std::pair{std::string(name), std::string(value)};
}

/// The words of a script: plain assignments before it become environment.
Result<InnerCommand> split_script(std::string_view script) {
  InnerCommand result;
  for (;;) {
    const auto begin = script.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return Error{"it is empty"};
    script.remove_prefix(begin);
    const auto word = script.substr(0, script.find_first_of(" \t"));
    const auto variable = assignment(word);
    if (!variable) break;
    if (variable->second.find_first_of("'\"\\$`|&;<>()*?[~#\n") != std::string::npos)
      return Error{"'" + variable->first + "=' has shell syntax in its value"};
    result.environment[variable->first] = variable->second;
    script.remove_prefix(word.size());
  }
  if (script.starts_with("exec ")) script.remove_prefix(5);
  auto words = split_words(script);
  if (!words) return words.error();
  result.command = std::move(*words);
  return result;
}

void take_assignments(Words& words, Environment& environment) {
  while (!words.empty()) {
    const auto variable = assignment(words.front());
    if (!variable) return;
    environment[variable->first] = variable->second;
    words.erase(words.begin());
  }
}

/// Takes one wrapper off the front. False: there is none (that is understood).
bool unwrap(InnerCommand& inner) {
  auto& words = inner.command;
  if (words.size() < 2) return false;
  const auto program = base_name(words[0]);
  if (program == "env" || program == "cross-env") {
    if (is_option(words[1])) return false;
    words.erase(words.begin());
    take_assignments(words, inner.environment);
    return true;
  }
  if (program == "npx" || program == "nohup" || program == "exec") {
    if (is_option(words[1])) return false;
    words.erase(words.begin());
    return true;
  }
  if ((program == "npm" || program == "pnpm" || program == "yarn") && words[1] == "exec" &&
      words.size() > 2) {
    const std::ptrdiff_t taken = words[2] == "--" ? 3 : 2;
    if (is_option(words[2]) && taken == 2) return false;
    words.erase(words.begin(), words.begin() + taken);
    return true;
  }
  static const std::set<std::string> shells = {"sh", "bash", "dash", "zsh"};
  static const std::set<std::string> command_options = {"-c", "-lc", "-ec"};
  if (shells.contains(program) && words.size() == 3 && command_options.contains(words[1])) {
    auto script = split_script(words[2]);
    if (!script) return false;
    for (auto& [name, value] : script->environment) inner.environment[name] = value;
    words = std::move(script->command);
    return true;
  }
  return false;
}

/// How a script is asked for: by which manager, which one, and with what after it.
struct ScriptCall {
  std::string manager{};
  std::string script{};
  Words arguments{};
};

std::optional<ScriptCall> script_call(const Words& command) {
  static const std::set<std::string> managers = {"npm", "pnpm", "yarn"};
  // pnpm and yarn run any script by its bare name; these can't be taken for a command of theirs.
  static const std::set<std::string> bare = {"start", "dev", "serve", "preview"};
  static const std::set<std::string> quiet = {"-s", "--silent", "--quiet"};
  if (command.empty()) return std::nullopt;
  ScriptCall call{base_name(command[0]), {}, {}};
  if (!managers.contains(call.manager)) return std::nullopt;
  std::size_t i = 1;
  const auto skip_quiet = [&] {
    while (i < command.size() && quiet.contains(command[i])) ++i;
  };
  skip_quiet();
  if (i >= command.size()) return std::nullopt;
  if (command[i] == "run" || command[i] == "run-script") {
    ++i;
    skip_quiet();
    if (i >= command.size() || is_option(command[i])) return std::nullopt;
  } else if (command[i] != "start" && (call.manager == "npm" || !bare.contains(command[i]))) {
    return std::nullopt;
  }
  call.script = command[i];
  call.arguments.assign(command.begin() + static_cast<std::ptrdiff_t>(i) + 1, command.end());
  return call;
}

/// The arguments that reach the script: npm wants a `--` before options, pnpm and yarn don't.
Result<Words> script_arguments(const ScriptCall& call) {
  auto arguments = call.arguments;
  if (call.manager != "npm") {
    if (!arguments.empty() && arguments[0] == "--")
      return Error{call.manager + " treats '--' differently from version to version"};
    return arguments;
  }
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (std::any_of(arguments.begin(), dashes, is_option))
    return Error{"options before '--' are npm's own"};
  if (dashes != arguments.end()) arguments.erase(dashes);
  return arguments;
}

/// A setting of the .npmrc that changes how scripts run.
std::optional<std::string> npmrc_obstacle(std::string_view npmrc) {
  static const std::set<std::string, std::less<>> obstacles = {"script-shell", "shell-emulator",
                                                               "node-options"};
  while (!npmrc.empty()) {
    const auto end = std::min(npmrc.find('\n'), npmrc.size());
    auto line = npmrc.substr(0, end);
    npmrc.remove_prefix(std::min(end + 1, npmrc.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const auto name = line.substr(0, line.find_first_of(" \t=\r"));
    if (obstacles.contains(name)) return std::string(name);
  }
  return std::nullopt;
}

Result<boost::json::object> parse_package_json(std::string_view text) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  boost::system::error_code error;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error) return Error{"package.json is not valid JSON: " + error.message()};
  if (!value.is_object()) return Error{"package.json is not a JSON object"};
  return value.as_object();
}

std::string text_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(boost::json::string_view(key.data(), key.size()));
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string{} : std::string(text->data(), text->size());
}

/// The text of the script, where no pre- or post-script belongs to it.
Result<std::string> script_text(const boost::json::object& package, const std::string& name) {
  const auto* value = package.if_contains("scripts");
  const auto* scripts = value == nullptr ? nullptr : value->if_object();
  const Error missing{"package.json has no script '" + name + "'"};
  if (scripts == nullptr) return missing;
  auto text = text_of(*scripts, name);
  if (text.empty()) return missing;
  for (const auto* prefix : {"pre", "post"})
    if (!text_of(*scripts, prefix + name).empty())
      return Error{"package.json has a script '" + (prefix + name) + "' that belongs to it"};
  return text;
}

}  // namespace

InnerCommand inner_command(const Words& command) {
  InnerCommand inner{command, {}};
  constexpr int kDeepestNesting = 8;
  for (int i = 0; i < kDeepestNesting && unwrap(inner); ++i) {
  }
  return inner;
}

std::optional<std::string> package_script(const Words& command) {
  const auto call = script_call(command);
  if (!call) return std::nullopt;
  return call->script;
}

Result<ResolvedScript> resolve_script(const Words& command, std::string_view package_json,
                                      std::string_view npmrc, bool has_pnp) {
  const auto call = script_call(command);
  if (!call) return Error{"the command runs no package script"};
  if (has_pnp) return Error{"the project uses Plug'n'Play, which needs its own loader"};
  if (const auto obstacle = npmrc_obstacle(npmrc)) return Error{".npmrc sets " + *obstacle};
  const auto arguments = script_arguments(*call);
  if (!arguments) return arguments.error();
  const auto package = parse_package_json(package_json);
  if (!package) return package.error();
  const auto text = script_text(*package, call->script);
  if (!text) return text.error();
  auto script = split_script(*text);
  if (!script)
    return Error{"the script '" + call->script + "' needs a shell: " + script.error().message};

  ResolvedScript resolved{std::move(script->command), std::move(script->environment)};
  resolved.command.insert(resolved.command.end(), arguments->begin(), arguments->end());
  resolved.environment["npm_lifecycle_event"] = call->script;
  for (const auto* key : {"name", "version"})
    if (auto value = text_of(*package, key); !value.empty())
      resolved.environment[std::string("npm_package_") + key] = std::move(value);
  return resolved;
}

}  // namespace dixis
