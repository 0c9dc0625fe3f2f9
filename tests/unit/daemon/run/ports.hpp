#pragma once

#include <cstdint>
#include <string>

#include <boost/asio.hpp>

namespace dixis::test {

/// A socket that listens, until it is destroyed; on a free port unless one is given.
class Listens {
 public:
  explicit Listens(const std::string& address, std::uint16_t port = 0)
      : acceptor_(loop_, {boost::asio::ip::make_address(address), port}) {}
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  boost::asio::io_context loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

/// A port that nobody has, as far as can be told.
inline std::uint16_t free_port() {
  return Listens("0.0.0.0").port();
}

}  // namespace dixis::test
