#include "daemon/logs/text_format.hpp"

#include "daemon/sys/clock.hpp"

namespace dixis {

std::string text_prefix(std::chrono::system_clock::time_point time, std::uint32_t instance,
                        LogStream stream) {
  return format_wall_clock(time) + " " + std::to_string(instance) + " " + name_of(stream) + " | ";
}

std::size_t add_prefixes(std::span<const char> bytes, std::string_view prefix, bool at_line_start,
                         std::size_t most, std::string& out) {
  std::string_view rest(bytes.data(), bytes.size());
  while (!rest.empty()) {
    const auto newline = rest.find('\n');
    const auto line = rest.substr(0, newline == std::string_view::npos ? newline : newline + 1);
    const std::size_t size = line.size() + (at_line_start ? prefix.size() : 0);
    if (out.size() + size > most) break;
    if (at_line_start) out += prefix;
    out += line;
    rest.remove_prefix(line.size());
    at_line_start = true;
  }
  return bytes.size() - rest.size();
}

}  // namespace dixis
