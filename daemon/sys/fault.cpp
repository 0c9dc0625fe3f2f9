#include "daemon/sys/fault.hpp"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace dixis::fault {

namespace {

struct Selected {
  std::string name{};
  int arrival = 1;
};

Selected selected() {
  const char* const text = std::getenv("DIXIS_FAULT");
  Selected out;
  if (text == nullptr) return out;
  const std::string_view all(text);
  const auto colon = all.rfind(':');
  out.name = all.substr(0, colon);
  if (colon != std::string_view::npos) {
    std::from_chars(all.data() + colon + 1, all.data() + all.size(), out.arrival);
  }
  return out;
}

}  // namespace

void point(const char* name) {
  static const Selected chosen = selected();
  if (chosen.name.empty() || chosen.name != name) return;
  // The arrivals belong to the process, as the environment that selects one of them does.
  static std::atomic<int> arrivals{0};
  if (++arrivals == chosen.arrival) std::raise(SIGKILL);
}

}  // namespace dixis::fault
