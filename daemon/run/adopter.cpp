#include "daemon/run/adopter.hpp"

#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace bj = boost::json;
namespace fs = std::filesystem;
using Socket = asio::local::stream_protocol::socket;
constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kLongestLine = 4096;
/// A program forks as it likes, and each of its processes may connect once.
constexpr std::size_t kMostConnections = 64;

Result<UniqueFd> bind_at(const fs::path& file) {
  const std::string what = "cannot make the socket " + file.string();
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (file.native().size() >= sizeof name.sun_path) {
    return Error{what + ": its path is too long", "give the app a shorter name"};
  }
  std::memcpy(name.sun_path, file.c_str(), file.native().size());
  if (::mkdir(file.parent_path().c_str(), 0755) != 0 && errno != EEXIST) {
    return errno_error(what, errno);
  }
  ::unlink(file.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::chmod(file.c_str(), 0600) != 0 || ::listen(socket.get(), 128) != 0) {
    return errno_error(what, errno);
  }
  return socket;
}

pid_t peer_of(Socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const int got = ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return got == 0 ? peer.pid : 0;
}

struct Shared {
  Shared(asio::io_context& context, int fd)
      : loop(context), acceptor(context, asio::local::stream_protocol(), fd) {}

  asio::io_context& loop;
  asio::local::stream_protocol::acceptor acceptor;
  Adopter::Belongs belongs{};
  AdopterState state{};
  Notifier changed{};
  std::string order{};  ///< the last one, told to who connects later, too
  std::shared_ptr<Socket> speaker{};
  std::size_t connections = 0;
  bool closed = false;

  void tell() {
    if (!speaker || order.empty()) return;
    const std::string line = order + "\n";
    // Short, and the only thing that is ever written: it fits, or the other end is gone.
    [[maybe_unused]] const auto sent =
        ::send(speaker->native_handle(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void hear(const std::shared_ptr<Socket>& from, const std::string& line) {
    boost::system::error_code error;
    const auto said = bj::parse(line, error);
    if (error || !said.is_object()) return;
    const auto& fields = said.get_object();
    const auto flag = [&](const char* name, bool& into) {
      if (const auto* value = fields.if_contains(name); value && value->is_bool()) {
        into = value->get_bool();
      }
    };
    state.present = true;
    bool adopted = false;
    flag("adopted", adopted);
    if (const auto* why = fields.if_contains("failure"); why && why->is_string()) {
      state.failure = std::string(why->get_string());
    }
    // Every Node program of the tree connects; of those that take no socket nothing else counts.
    if (!adopted) return changed.notify_all();
    state.adopted = true;
    flag("joined", state.joined);
    flag("left", state.left);
    if (const auto* open = fields.if_contains("open"); open && open->is_int64()) {
      state.open = open->get_int64();
    }
    if (speaker != from) {
      speaker = from;
      tell();
    }
    changed.notify_all();
  }
};

Task<void> listen_to(std::shared_ptr<Shared> shared, std::shared_ptr<Socket> socket) {
  ++shared->connections;
  auto asking = shared->belongs(peer_of(*socket));
  const bool ours = co_await std::move(asking);
  std::string buffer;
  while (ours && !shared->closed) {
    const auto into = asio::dynamic_buffer(buffer, kLongestLine);
    const auto [error, size] = co_await asio::async_read_until(*socket, into, '\n', kQuiet);
    if (error || shared->closed) break;
    shared->hear(socket, buffer.substr(0, size - 1));
    buffer.erase(0, size);
  }
  --shared->connections;
  if (shared->speaker == socket) {
    shared->speaker.reset();
    shared->changed.notify_all();
  }
}

Task<void> accept_all(std::shared_ptr<Shared> shared) {
  while (!shared->closed) {
    const auto socket = std::make_shared<Socket>(shared->loop);
    const auto [error] = co_await shared->acceptor.async_accept(*socket, kQuiet);
    if (error || shared->closed) co_return;
    if (shared->connections >= kMostConnections) continue;
    asio::co_spawn(shared->loop, listen_to(shared, socket), asio::detached);
  }
}

class OpenAdopter : public Adopter {
 public:
  OpenAdopter(std::shared_ptr<Shared> shared, AdopterFiles files)
      : shared_(std::move(shared)), files_(std::move(files)) {}
  ~OpenAdopter() override {
    shared_->closed = true;
    boost::system::error_code ignored;
    shared_->acceptor.close(ignored);
    if (shared_->speaker) shared_->speaker->close(ignored);
    ::unlink(files_.control.c_str());
    ::unlink(files_.proof.c_str());
  }
  OpenAdopter(const OpenAdopter&) = delete;
  OpenAdopter& operator=(const OpenAdopter&) = delete;

  const AdopterState& state() const override { return shared_->state; }
  Notifier& changed() override { return shared_->changed; }
  void join() override { say("join"); }
  void drain() override { say("drain"); }

 private:
  void say(const std::string& what) {
    shared_->order = bj::serialize(bj::object{{"do", what}});
    shared_->tell();
  }

  std::shared_ptr<Shared> shared_;
  AdopterFiles files_;
};

}  // namespace

AdopterFiles adopter_files(const fs::path& runtime, const std::string& app, std::uint32_t instance,
                           std::uint64_t generation) {
  const auto name = app + "-" + std::to_string(instance) + "-" + std::to_string(generation);
  const auto directory = runtime / "adopters";
  return {directory / (name + ".ctl"), directory / (name + ".own")};
}

fs::path adopter_program() {
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  return self.parent_path().parent_path() / "lib/dixis/dixis-listen.cjs";
}

Result<std::unique_ptr<Adopter>> Adopter::open(asio::io_context& loop, AdopterFiles files,
                                               uid_t uid, gid_t gid, Belongs belongs) {
  auto socket = bind_at(files.control);
  if (!socket) return socket.error();
  if ((uid != ::geteuid() || gid != ::getegid()) && ::chown(files.control.c_str(), uid, gid) != 0) {
    return errno_error("cannot give the socket " + files.control.string() + " to the app", errno);
  }
  const auto shared = std::make_shared<Shared>(loop, socket->release());
  shared->belongs = std::move(belongs);
  asio::co_spawn(loop, accept_all(shared), asio::detached);
  return std::unique_ptr<Adopter>(std::make_unique<OpenAdopter>(shared, std::move(files)));
}

Result<UniqueFd> Adopter::make_proof_socket(const AdopterFiles& files) {
  return bind_at(files.proof);
}

}  // namespace dixis
