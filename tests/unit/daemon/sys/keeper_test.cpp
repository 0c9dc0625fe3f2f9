#include "daemon/sys/keeper.hpp"

#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch.hpp>

#include "daemon/sys/systemd/service_manager.hpp"
#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

/// A pipe whose read end is kept; what is written to it can be read from any copy.
struct Ends {
  UniqueFd read;
  UniqueFd write;
  Ends() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("no pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

bool reads(int fd, int from) {
  char got = 0;
  return ::write(from, "x", 1) == 1 && ::read(fd, &got, 1) == 1 && got == 'x';
}

/// The socket that NOTIFY_SOCKET names: what a manager was told, and nothing is stored.
class Manager {
 public:
  Manager() : file_(directory_.path() / "notify") {
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, file_.c_str());
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
      throw std::runtime_error("cannot bind");
    }
    ::setenv("NOTIFY_SOCKET", file_.c_str(), 1);
  }

  /// Reads all that there is; what came along is closed.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    std::array<char, 256> text{};
    for (ssize_t size = 0; (size = ::recv(socket_.get(), text.data(), text.size(), 0)) >= 0;) {
      out.emplace_back(text.data(), static_cast<std::size_t>(size));
    }
    return out;
  }

 private:
  TemporaryDirectory directory_{};
  std::filesystem::path file_;
  UniqueFd socket_{};
};

std::size_t stored(const Keeper& keeper) {
  std::size_t count = 0;
  for (const auto& one : keeper.all()) count += one.stored ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("names have eight bytes and tell keys apart", "[keeper]") {
  CHECK(Keeper::is_name(Keeper::name_of("out/web/0/1")));
  CHECK(Keeper::name_of("out/web/0/1") != Keeper::name_of("out/web/0/2"));
  CHECK(Keeper::name_of("listen/127.0.0.1:3000") == Keeper::name_of("listen/127.0.0.1:3000"));
  CHECK_FALSE(Keeper::is_name("dixisd.socket"));
  CHECK_FALSE(Keeper::is_name("connection"));
  CHECK_FALSE(Keeper::is_name("kkkkkkkk-"));
  CHECK_FALSE(Keeper::is_name("keeper_1"));
}

TEST_CASE("what is kept outlives who put it, and goes when it is forgotten", "[keeper]") {
  Keeper keeper;
  Ends pipe;
  keeper.put("a", pipe.read.get());
  pipe.read.reset();
  const auto copy = keeper.find("a");
  REQUIRE(copy);
  CHECK(reads(copy.get(), pipe.write.get()));
  CHECK_FALSE(keeper.find("b"));
  keeper.forget("a");
  keeper.forget("a");
  CHECK_FALSE(keeper.find("a"));
  CHECK(keeper.all().empty());
}

TEST_CASE("what a predecessor kept is found by its key, or dropped", "[keeper]") {
  Ends wanted;
  Ends unwanted;
  std::vector<NamedFd> kept;
  kept.push_back({Keeper::name_of("wanted"), std::move(wanted.read)});
  kept.push_back({Keeper::name_of("unwanted"), std::move(unwanted.read)});
  Keeper keeper;
  keeper.inherit(std::move(kept), false);
  const auto copy = keeper.find("wanted");
  REQUIRE(copy);
  CHECK(reads(copy.get(), wanted.write.get()));
  keeper.drop_unclaimed();
  CHECK(keeper.all().size() == 1);
  CHECK_FALSE(keeper.find("unwanted"));
}

TEST_CASE("systemd's store gets no more than it can bear, and sockets have room in it",
          "[keeper]") {
  Manager systemd;
  asio::io_context io;
  ServiceManager manager(io, [](const std::string& what) { FAIL(what); });
  Keeper keeper;
  keeper.use_store(manager);
  const Ends pipe;
  for (int i = 0; i < 600; ++i) keeper.put("pipe/" + std::to_string(i), pipe.read.get());
  CHECK(stored(keeper) == 384);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 200; ++i) keeper.put("socket/" + std::to_string(i), socket.get());
  CHECK(stored(keeper) == 512);
  CHECK(keeper.all().size() == 800);
  keeper.forget("pipe/0");
  keeper.put("another", socket.get());
  CHECK(stored(keeper) == 512);

  std::size_t puts = 0;
  std::size_t removals = 0;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((puts < 513 || removals < 1) && std::chrono::steady_clock::now() < deadline) {
    io.poll();
    for (const auto& text : systemd.told()) {
      if (text.starts_with("FDSTORE=1\nFDPOLL=0\nFDNAME=k")) ++puts;
      if (text == "FDSTOREREMOVE=1\nFDNAME=" + Keeper::name_of("pipe/0")) ++removals;
    }
  }
  CHECK(puts == 513);
}

TEST_CASE("waiting for the store ends, also where nobody reads", "[keeper]") {
  const Manager systemd;
  asio::io_context io;
  ServiceManager manager(io, [](const std::string& what) { FAIL(what); });
  Keeper keeper;
  keeper.use_store(manager);
  await_on(io, keeper.stored(std::chrono::hours(1)));  // nothing was put
  const Ends pipe;
  keeper.put("a", pipe.read.get());
  await_on(io, keeper.stored(std::chrono::milliseconds(1)));
  SUCCEED();
}
