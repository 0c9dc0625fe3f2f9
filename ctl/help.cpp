#include "ctl/help.hpp"

#include "ctl/arguments.hpp"
#include "ctl/render/text.hpp"

namespace dixis::ctl {
namespace {

std::string entry(const std::string& left, std::string_view right, std::size_t width) {
  std::string line = "  " + padded(left, width) + "  ";
  // A long left side gets a line of its own, so that the right sides stay aligned.
  if (display_width(left) > width) line = "  " + left + "\n" + std::string(width + 4, ' ');
  return line + std::string(right) + "\n";
}

std::string option_words(const Option& option) {
  return std::string(option.name) + (option.value.empty() ? "" : " " + std::string(option.value));
}

std::string common_options() {
  std::string out = "\nOptions:\n";
  for (const Option& option : options()) {
    if (option.verbs.empty()) out += entry(option_words(option), option.help, 26);
  }
  return out;
}

std::string verb_list(bool implemented) {
  std::string out;
  for (const Verb& verb : verbs()) {
    if (verb.implemented == implemented) out += entry(std::string(verb.name), verb.help, 10);
  }
  return out;
}

}  // namespace

std::string general_help() {
  return "dixisctl: talk to dixisd, which supervises the apps of this machine\n"
         "\nUsage: dixisctl [OPTIONS] VERB [APP...]\n"
         "APP is a name, NAME:N for one instance, a tag, a glob, or 'all'.\n"
         "\nVerbs:\n" +
         verb_list(true) + "\nNot in this version:\n" + verb_list(false) + common_options() +
         "\n`dixisctl VERB --help` shows more of a verb.\n"
         "\nExit codes: 0 done and proven, 1 the verb failed, 2 usage, 3 no such app or not "
         "online,\n"
         "4 not permitted, 5 no daemon, 6 no answer in time, 7 configuration invalid.\n";
}

std::string verb_help(const Verb& verb) {
  const std::string name(verb.name);
  std::string out = name + ": " + std::string(verb.help) + "\n\nUsage: dixisctl [OPTIONS] " + name;
  if (!verb.arguments.empty()) out += " " + std::string(verb.arguments);
  out += "\n";
  if (!verb.alias.empty()) out += "Also called: " + std::string(verb.alias) + "\n";
  if (!verb.implemented) out += "It is not in this version.\n";
  if (verb.takes_apps) {
    out += "APP is a name, NAME:N for one instance, a tag, a glob, or 'all'.\n";
  }
  std::string own;
  for (const Option& option : options()) {
    if (belongs_to(option, verb.name)) own += entry(option_words(option), option.help, 26);
  }
  if (!own.empty()) out += "\nOptions of " + name + ":\n" + own;
  return out + common_options();
}

}  // namespace dixis::ctl
