#include "common/verbs.hpp"

#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "common/interface.hpp"

using namespace dixis;

TEST_CASE("names and aliases are unique", "[verbs]") {
  std::set<std::string> names;
  for (const Verb& verb : verbs()) {
    CHECK(names.insert(std::string(verb.name)).second);
    CHECK(find_verb(verb.name) == &verb);
    CHECK_FALSE(verb.help.empty());
  }
  for (const char* alias : {"ls", "status", "show"}) CHECK(names.insert(alias).second);
}

TEST_CASE("aliases lead to their verb", "[verbs]") {
  CHECK(find_verb("ls") == find_verb("list"));
  CHECK(find_verb("status") == find_verb("list"));
  CHECK(find_verb("show") == find_verb("describe"));
  CHECK(find_verb("") == nullptr);
  CHECK(find_verb("l") == nullptr);
  CHECK(find_verb("ls status") == nullptr);
}

TEST_CASE("who may call what", "[verbs]") {
  for (const char* method : {"Ping", "List", "Describe", "Subscribe", "Deaths", "Logs"}) {
    CHECK(permission_of(method) == Permission::viewer);
  }
  for (const char* method :
       {"Start", "Stop", "Restart", "Reload", "Signal", "LoadConfig", "Follow", "Flush"}) {
    CHECK(permission_of(method) == Permission::operator_);
  }
  for (const char* method :
       {"Add", "Remove", "Upgrade", "Shutdown", "Reopen", "", "NotThought0f"}) {
    CHECK(permission_of(method) == Permission::owner);
  }
}

TEST_CASE("the verbs that are in this version have their method on the wire", "[verbs]") {
  for (const Verb& verb : verbs()) {
    if (verb.method.empty() || !verb.implemented) continue;
    INFO(verb.name);
    CHECK(kInterfaceDescription.find("\nmethod " + std::string(verb.method) + "(") !=
          std::string_view::npos);
  }
}
