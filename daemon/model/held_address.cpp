#include "daemon/model/held_address.hpp"

#include <arpa/inet.h>
#include <array>

#include "daemon/model/command_facts.hpp"

namespace dixis {
namespace {

constexpr std::size_t kLongestPath = 107;  // unix(7): sun_path holds 108 bytes

bool is_number(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Result<HeldAddress> unix_address(std::string_view path) {
  const std::string got = "; got 'unix:" + std::string(path) + "'";
  if (!path.starts_with('/') || path.ends_with('/')) {
    return Error{"expected the absolute path of a socket" + got, "write unix:/run/NAME.sock"};
  }
  if (path.size() > kLongestPath) {
    return Error{"the path of a socket has at most 107 bytes" + got, "choose a shorter one"};
  }
  return HeldAddress{.path = std::string(path)};
}

}  // namespace

std::string to_text(const HeldAddress& address) {
  if (address.is_unix()) return "unix:" + address.path;
  const std::string port = ":" + std::to_string(address.port);
  if (address.host.empty()) return "[::]" + port;
  const bool ipv6 = address.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + address.host + "]" : address.host) + port;
}

Result<HeldAddress> parse_held_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) return unix_address(text.substr(kUnix.size()));
  const auto parsed = parse_listen_address(text);
  if (!parsed) return parsed.error();
  HeldAddress out{.host = parsed->host, .port = parsed->port};
  if (out.host == "localhost") out.host = "127.0.0.1";
  if (out.host == "::") out.host.clear();
  if (!out.host.empty() && !is_number(out.host)) {
    return Error{"dixisd holds this socket, and '" + out.host + "' is no address of this machine",
                 "write a number, such as 127.0.0.1:" + std::to_string(out.port)};
  }
  return out;
}

}  // namespace dixis
