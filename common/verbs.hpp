#pragma once

#include <span>
#include <string_view>

/// The table of verbs. Authorisation (by method), --help and completion all read it.
namespace dixis {

/// Who may: `anyone_admitted` is viewers and up, `operator_` changes apps, `owner` is root and the
/// daemon's own uid.
enum class Permission { viewer, operator_, owner };

struct Verb {
  std::string_view name;
  std::string_view alias;   ///< further names, space-separated; may be empty
  std::string_view method;  ///< of gr.dixis.Supervisor; empty where the client does it alone
  Permission permission;
  std::string_view arguments;  ///< as in a synopsis: "[APP...]"
  std::string_view help;       ///< one line
  bool takes_apps;             ///< whether completion offers app names
  bool implemented = true;     ///< false: known, and answered with 'not in this version'
};

std::span<const Verb> verbs();
/// By name or alias; null if there is none.
const Verb* find_verb(std::string_view name);
/// Who may call a method of gr.dixis.Supervisor (the verb of that method, or the owner).
Permission permission_of(std::string_view method);

}  // namespace dixis
