#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace dixis {

/// A socket that dixisd holds for an app (`listen`).
struct HeldAddress {
  std::string host{};  ///< a number; empty: every address of this machine
  std::uint16_t port = 0;
  std::string path{};  ///< of a Unix socket, absolute; empty: TCP
  bool is_unix() const { return !path.empty(); }
  bool operator==(const HeldAddress&) const = default;
};

/// "127.0.0.1:3000", "[::]:3000" or "unix:/run/shop.sock".
std::string to_text(const HeldAddress& address);

/// "127.0.0.1:3000", "[::1]:3000", "localhost:3000", "3000" (every address) or "unix:/path".
Result<HeldAddress> parse_held_address(std::string_view text);

}  // namespace dixis
