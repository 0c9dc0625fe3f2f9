#include <array>

#include "ctl/completions.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

/// Collects words with something between them.
class Joined {
 public:
  explicit Joined(std::string_view between) : between_(between) {}
  void add(std::string_view word) {
    if (!text_.empty()) text_ += between_;
    text_ += word;
  }
  const std::string& text() const { return text_; }

 private:
  std::string_view between_;
  std::string text_;
};

/// For single quotes of zsh and fish: the table's help has no backslash.
std::string for_single_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += R"('\'')";
    } else {
      out += c;
    }
  }
  return out;
}

template <class Visit>
void each_name(const Verb& verb, Visit visit) {
  visit(verb.name);
  std::string_view rest = verb.alias;
  while (!rest.empty()) {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    visit(rest.substr(0, blank));
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
}

std::string verb_names(std::string_view between, bool apps_only) {
  Joined out(between);
  for (const Verb& verb : verbs()) {
    if (!verb.implemented || (apps_only && !verb.takes_apps)) continue;
    each_name(verb, [&](std::string_view name) { out.add(name); });
  }
  return out.text();
}

std::string common_options(bool with_value_only, std::string_view between) {
  Joined out(between);
  for (const Option& option : options()) {
    // In the search for the verb, values of its own options matter too.
    if (with_value_only ? !option.value.empty() : option.verbs.empty()) out.add(option.name);
  }
  return out.text();
}

std::string option_cases(std::string_view before, std::string_view after) {
  std::string out;
  for (const Verb& verb : verbs()) {
    Joined own(" ");
    for (const Option& option : options()) {
      if (belongs_to(option, verb.name)) own.add(option.name);
    }
    if (own.text().empty() || !verb.implemented) continue;
    out += (out.empty() ? "    " : "\n    ") + std::string(verb.name) + ") " + std::string(before) +
           own.text() + std::string(after) + " ;;";
  }
  return out;
}

std::string verb_pairs() {
  std::string out;
  for (const Verb& verb : verbs()) {
    if (!verb.implemented) continue;
    out += (out.empty() ? "    '" : "\n    '") + std::string(verb.name) + ":" +
           for_single_quotes(verb.help) + "'";
  }
  return out;
}

std::string fish_verbs() {
  std::string out;
  for (const Verb& verb : verbs()) {
    if (!verb.implemented) continue;
    out += (out.empty() ? "" : "\n") +
           std::string("complete -c dixisctl -n __fish_use_subcommand -a ") +
           std::string(verb.name) + " -d '" + for_single_quotes(verb.help) + "'";
  }
  return out;
}

std::string fish_options() {
  std::string out;
  for (const Option& option : options()) {
    out += (out.empty() ? "" : "\n") + std::string("complete -c dixisctl");
    if (!option.verbs.empty()) {
      out += " -n '__fish_seen_subcommand_from " + std::string(option.verbs) + "'";
    }
    out += " -l " + std::string(option.name.substr(2)) + (option.value.empty() ? "" : " -r") +
           " -d '" + for_single_quotes(option.help) + "'";
  }
  return out;
}

std::string filled(std::string_view form) {
  const std::array<std::pair<std::string_view, std::string>, 10> values{{
      {"%VERBS%", verb_names(" ", false)},
      {"%APP_VERBS%", verb_names("|", true)},
      {"%FISH_APP_VERBS%", verb_names(" ", true)},
      {"%COMMON_OPTIONS%", common_options(false, " ")},
      {"%VALUE_OPTIONS%", common_options(true, "|")},
      {"%OPTION_CASES%", option_cases("options+=\" ", "\"")},
      {"%ZSH_OPTION_CASES%", option_cases("options+=(", ")")},
      {"%VERB_PAIRS%", verb_pairs()},
      {"%FISH_VERBS%", fish_verbs()},
      {"%FISH_OPTIONS%", fish_options()},
  }};
  std::string out(form);
  for (const auto& [placeholder, value] : values) {
    for (std::size_t at = out.find(placeholder); at != std::string::npos;
         at = out.find(placeholder, at + value.size())) {
      out.replace(at, placeholder.size(), value);
    }
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return filled(kBashTemplate);
  if (shell == "zsh") return filled(kZshTemplate);
  if (shell == "fish") return filled(kFishTemplate);
  return "";
}

Answer<ExitCode> completion(const Context& context) {
  const auto& operands = context.arguments.operands;
  const std::string script = operands.size() == 1 ? completion_script(operands.front()) : "";
  if (script.empty()) return wrong_operands(context, "name a shell: bash, zsh or fish");
  if (context.arguments.json) return wrong_operands(context, "a shell's script has no JSON form");
  context.console.print(script);
  return ExitCode::done;
}

}  // namespace dixis::ctl
