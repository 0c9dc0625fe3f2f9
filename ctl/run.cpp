#include "ctl/run.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <signal.h>

#include "common/version.hpp"
#include "ctl/help.hpp"
#include "ctl/render/text.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

struct Entry {
  std::string_view name;
  Answer<ExitCode> (*carry_out)(const Context&);
};

constexpr std::array kEntries{
    Entry{"list", list},   Entry{"describe", describe}, Entry{"start", start},
    Entry{"stop", stop},   Entry{"restart", restart},   Entry{"reload", reload},
    Entry{"scale", scale}, Entry{"add", add},           Entry{"remove", remove},
    Entry{"ping", ping},   Entry{"events", events},     Entry{"signal", send_signal},
    Entry{"check", check}, Entry{"load", load},         Entry{"upgrade", upgrade},
    Entry{"why", why},     Entry{"probe", probe},       Entry{"logs", logs},
    Entry{"flush", flush}, Entry{"version", version},   Entry{"completion", completion},
};

Answer<ExitCode> not_in_this_version(const Verb& verb) {
  return Failure{Trouble::not_implemented,
                 std::string(verb.name) + " is not in this version of dixis",
                 verb.name == "reload" ? "`dixisctl restart` replaces the process, with a gap"
                                       : "see `dixisctl --help` for what is"};
}

Answer<ExitCode> dispatch(const Context& context) {
  const Verb& verb = *context.arguments.verb;
  const auto entry = std::find_if(kEntries.begin(), kEntries.end(),
                                  [&](const Entry& each) { return each.name == verb.name; });
  if (!verb.implemented || entry == kEntries.end()) return not_in_this_version(verb);
  if (context.arguments.has_command && verb.name != "add") {
    return wrong_operands(context, "takes no command behind `--`");
  }
  return entry->carry_out(context);
}

/// Who may, where the daemon only said no.
std::string permission_hint(const Verb* verb) {
  if (verb == nullptr) return "";
  switch (verb->permission) {
    case Permission::viewer:
      return "looking is for viewers and operators (`access:` in the configuration): ask root to "
             "add you";
    case Permission::operator_:
      return "this is for operators: as root, `groupadd -f dixis; usermod -aG dixis USER`; then "
             "log in again";
    case Permission::owner:
      return "this is for root and the user that dixisd runs as: use sudo";
  }
  return "";
}

ExitCode explain(const Context& context, Failure failure) {
  Console& console = context.console;
  if (failure.trouble == Trouble::not_permitted && failure.hint.empty()) {
    failure.hint = permission_hint(context.arguments.verb);
  }
  if (failure.trouble == Trouble::config_invalid) {
    const auto problems = field_of<std::vector<Problem>>(failure.details, "problems");
    if (problems) {
      for (const Problem& problem : *problems) {
        console.say(problem_line(problem, console.error_look()));
      }
    }
  }
  console.say("dixisctl: " + printable(failure.message));
  if (!failure.hint.empty()) console.say("hint: " + printable(failure.hint));
  return exit_code(failure.trouble);
}

ExitCode carry_out(const Context& context) {
  Console& console = context.console;
  const Arguments& arguments = context.arguments;
  if (arguments.version) {
    console.print("dixisctl " + std::string(kVersion) + "\n");
    return ExitCode::done;
  }
  if (arguments.help) {
    console.print(arguments.verb == nullptr ? general_help() : verb_help(*arguments.verb));
    return ExitCode::done;
  }
  if (arguments.verb == nullptr && !arguments.hidden_apps) {
    console.say(general_help());
    return ExitCode::usage;
  }
  auto ended = arguments.hidden_apps ? app_names(context) : dispatch(context);
  return ended ? *ended : explain(context, std::move(ended.error()));
}

}  // namespace

int run(std::span<const std::string> words) {
  ::signal(SIGPIPE, SIG_IGN);  // `dixisctl list | head` isn't an error
  Console console;
  const Arguments none;
  const auto arguments = parse_arguments(words);
  if (!arguments) {
    return static_cast<int>(explain({none, console}, arguments.error()));
  }
  const ExitCode code = carry_out({*arguments, console});
  const int error = console.output_error();
  if (error != 0 && error != EPIPE) {
    console.say("dixisctl: cannot write the answer to standard output: " +
                std::generic_category().message(error));
    return static_cast<int>(code == ExitCode::done ? ExitCode::failed : code);
  }
  return static_cast<int>(code);
}

}  // namespace dixis::ctl
