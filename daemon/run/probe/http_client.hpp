#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

struct HttpRequest {
  std::optional<std::string> socket{};  ///< path of a Unix socket instead of host and port
  std::string host{};                   ///< a number ("127.0.0.1", "::1"); no look-up is done
  std::uint16_t port = 0;
  std::string method{"GET"};
  std::string path{"/"};
  std::map<std::string, std::string> headers{};  ///< over Host, User-Agent, Connection: close
  std::size_t body_limit = std::size_t{256} << 10U;
};

struct HttpAnswer {
  int status = 0;
  std::string reason{};
  std::map<std::string, std::string> headers{};  ///< names in lower case
  std::string body{};                            ///< its first `body_limit` bytes
  bool truncated = false;                        ///< there was more
};

/// One request on a connection of its own, for at most `timeout`. A redirect is an answer. An
/// answer whose header exceeds 16 KiB is an error; of a longer body the first `body_limit` bytes
/// are taken. The error is for people: "no answer within 2 s", "cannot connect to …: Connection
/// refused".
Task<Result<HttpAnswer>> http_request(HttpRequest request, std::chrono::milliseconds timeout);

}  // namespace dixis
