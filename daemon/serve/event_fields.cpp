#include "daemon/serve/event_fields.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace dixis {

namespace {

struct Catalogued {
  std::string_view event{};
  std::string_view id{};
};

constexpr std::array kCatalogue{
    Catalogued{"spawned", "6f813e5b236944b7bd7a8d1935fab3ea"},
    Catalogued{"proven", "d896cbfb896648f4b2af7da92d14065d"},
    Catalogued{"death", "b0a676e033254b699cb9f8b707ca2c21"},
    Catalogued{"unhealthy", "41551687e4e446669fc1d6b2dd4bf480"},
    Catalogued{"failed", "ba998488599943769b32ad82d4c86a32"},
    Catalogued{"stopped", "77874bab7fa049cf87304388c4fb2248"},
    Catalogued{"stranger", "ffc8b06c8fb94c6591fcc085f7e398cf"},
    Catalogued{"verb", "2e205b7092bd43bfaa0444965be41912"},
    Catalogued{"config", "a7a9357055ab4baa8bbb6e53d455a348"},
    Catalogued{"predecessor", "91224b2d46ad4588a0c5613f3c61e722"},
};

/// The type, or of a change of state the new one.
std::string name_of(const Event& event) {
  if (event.type != "state" || !event.state) return event.type;
  const char* const state = boost::describe::enum_to_string(*event.state, "");
  return state;
}

void append_death(std::vector<JournalField>& out, const Death& death) {
  out.push_back({"HOW", boost::describe::enum_to_string(death.how, "")});
  out.push_back({"CAUSE", boost::describe::enum_to_string(death.cause, "")});
  if (death.code) out.push_back({"EXIT_CODE", std::to_string(*death.code)});
  if (death.signal) out.push_back({"SIGNAL", *death.signal});
}

}  // namespace

std::vector<JournalField> journal_fields(const Event& event) {
  const std::string name = name_of(event);
  std::vector<JournalField> out{{"EVENT", name}};
  const auto* const known = std::find_if(kCatalogue.begin(), kCatalogue.end(),
                                         [&](const auto& one) { return one.event == name; });
  if (known != kCatalogue.end()) out.push_back({"MESSAGE_ID", std::string(known->id)});
  if (event.app) out.push_back({"APP", *event.app});
  if (event.instance) out.push_back({"INSTANCE", std::to_string(*event.instance)});
  if (event.generation) out.push_back({"GENERATION", std::to_string(*event.generation)});
  if (event.pid) out.push_back({"OBJECT_PID", std::to_string(*event.pid)});
  if (event.death) append_death(out, *event.death);
  return out;
}

}  // namespace dixis
