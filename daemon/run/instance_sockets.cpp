// The sockets that dixisd holds for a generation: handed over, proven, joined, left.
#include <algorithm>
#include <chrono>
#include <unistd.h>

#include <boost/json.hpp>

#include "daemon/run/instance.hpp"
#include "daemon/run/port_check.hpp"
#include "daemon/run/probe/http_client.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/held_socket.hpp"

namespace dixis {

namespace asio = boost::asio;
namespace bj = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr int kFirstPassed = 3;
constexpr Milliseconds kLook{50};
constexpr Milliseconds kJoinLimit{10'000};
constexpr Milliseconds kWarmupLimit{30'000};

std::string all_of(const std::vector<HeldAddress>& held) {
  std::string out;
  for (const auto& address : held) out += (out.empty() ? "" : ", ") + to_text(address);
  return out;
}

/// As node(1) reads it: words, in double quotes where they hold a blank.
std::string require_option(const std::string& program) {
  std::string escaped;
  for (const char letter : program) {
    if (letter == '"' || letter == '\\') escaped += '\\';
    escaped += letter;
  }
  return "\"--require=" + escaped + "\"";
}

bj::array describe_sockets(const std::vector<HeldAddress>& held, const std::vector<int>& fds) {
  bj::array out;
  for (std::size_t i = 0; i < held.size(); ++i) {
    bj::object entry{{"fd", kFirstPassed + static_cast<int>(i)},
                     {"inode", std::to_string(socket_inode(fds[i]))},
                     {"name", to_text(held[i])}};
    if (held[i].is_unix()) {
      entry["path"] = held[i].path;
    } else {
      entry["host"] = held[i].host;
      entry["port"] = held[i].port;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Task<bool> has_mark(Worker& worker, std::string mark, pid_t process) {
  auto work = [process] { return read_process(process, true); };
  const auto facts = co_await worker.run(std::move(work));
  co_return facts && facts->tree_mark == mark;
}

/// Whether a process of the tree holds the socket. Worker only.
bool holds(const TreeKey& tree, std::uint64_t inode) {
  std::vector<pid_t> members;
  for (const auto& member : tree_members(read_process_table(true), tree)) {
    members.push_back(member.pid);
  }
  return !socket_holders(inode, members).empty();
}

/// Begins a connection; whether it comes about shows later.
void connect_to(const HeldAddress& held, asio::generic::stream_protocol::socket& caller) {
  const bool anywhere = held.host.empty() || held.host == "0.0.0.0";
  const auto address = asio::ip::make_address(anywhere ? "127.0.0.1" : held.host);
  const asio::ip::tcp::endpoint to(address, held.port);
  boost::system::error_code error;
  caller.open(asio::generic::stream_protocol(address.is_v6() ? AF_INET6 : AF_INET, IPPROTO_TCP),
              error);
  caller.non_blocking(true, error);
  caller.connect(asio::generic::stream_protocol::endpoint(to), error);
}

}  // namespace

Result<void> Instance::open_adopter(Generation& generation) {
  const auto files =
      adopter_files(services_.runtime_directory, spec_.name, number_, generation.number);
  const auto& user = generation.plan.credentials;
  Worker& worker = services_.proc_worker;
  Adopter::Belongs belongs = [&worker, mark = generation.tree.mark](pid_t process) {
    return has_mark(worker, mark, process);
  };
  auto adopter = Adopter::open(services_.loop, files, user ? user->uid : ::geteuid(),
                               user ? user->gid : ::getegid(), std::move(belongs));
  if (!adopter) return adopter.error();
  generation.adopter = std::move(*adopter);
  generation.own_socket = files.proof.string();
  return {};
}

/// Makes ready what the generation gets of them: descriptors, and how it learns of them.
Task<Result<void>> Instance::prepare_sockets(std::shared_ptr<Generation> generation) {
  if (spec_.held.empty()) co_return Result<void>{};
  auto holding = services_.sockets.hold(spec_);
  const auto held = co_await std::move(holding);
  if (!held) {
    co_return Error{"cannot start " + label() + ": " + held.error().message, held.error().hint};
  }
  if (const auto opened = services_.sockets.open(spec_, number_); !opened) co_return opened.error();
  if (const auto opened = open_adopter(*generation); !opened) co_return opened.error();
  auto own = Adopter::make_proof_socket(
      adopter_files(services_.runtime_directory, spec_.name, number_, generation->number));
  if (!own) co_return own.error();
  generation->held = spec_.held;
  generation->passed = services_.sockets.of(spec_, number_);
  const auto sockets = describe_sockets(generation->held, generation->passed);
  auto& environment = generation->plan.environment;
  environment["LISTEN_FDS"] = std::to_string(generation->held.size());
  environment["LISTEN_FDNAMES"] = names_of(generation->held);
  const auto files =
      adopter_files(services_.runtime_directory, spec_.name, number_, generation->number);
  environment["DIXIS_LISTEN"] =
      bj::serialize(bj::object{{"control", files.control.string()},
                               {"own", kFirstPassed + static_cast<int>(generation->passed.size())},
                               {"sockets", sockets}});
  auto& options = environment["NODE_OPTIONS"];
  options += (options.empty() ? "" : " ") + require_option(adopter_program().string());
  generation->passed.push_back(own->get());
  generation->own_listener = std::move(*own);
  co_return Result<void>{};
}

/// That it has taken what is held for it: by the adopter, or, as LISTEN_FDS tells it, by itself.
Task<bool> Instance::prove_held(std::shared_ptr<Generation> generation) {
  const auto number = generation->number;
  const auto proving = [&] {
    return runs(number) && slot_.current->phase == machine::Phase::proving;
  };
  asio::generic::stream_protocol::socket caller(services_.loop);
  if (!generation->adopter) {
    not_proven(*generation, "not proven: there is no channel to it", Cause::adopter);
    co_return false;
  }
  while (proving()) {
    const auto& said = generation->adopter->state();
    if (!said.failure.empty()) {
      not_proven(*generation,
                 "not proven: it can't take " + all_of(generation->held) + ": " + said.failure,
                 Cause::adopter);
      co_return false;
    }
    if (said.adopted) {
      generation->took = Took::adopter;
      step_done(*generation, "listening");
      generation->proof = "took " + all_of(generation->held);
      co_return true;
    }
    // Beside another one it would be that one who takes them.
    bool taken = false;
    if (!beside_) {
      auto looking = has_taken(generation, caller);
      taken = co_await std::move(looking);
    }
    if (!proving()) co_return false;
    if (taken) {
      generation->took = Took::itself;
      generation->found_at = spec_.listen;
      step_done(*generation, "listening");
      generation->proof = "listening on " + all_of(generation->held) + " (LISTEN_FDS)";
      co_return true;
    }
    co_await generation->adopter->changed().wait(kLook);
  }
  co_return false;
}

/// Whether it takes connections from the held socket without an adopter: one of ours has to have
/// been accepted by a process of its tree. Of a Unix socket only its life can tell.
Task<bool> Instance::has_taken(std::shared_ptr<Generation> generation,
                               asio::generic::stream_protocol::socket& caller) {
  const auto& held = generation->held;
  const auto tcp = std::find_if(held.begin(), held.end(),
                                [](const HeldAddress& address) { return !address.is_unix(); });
  const bool settled =
      boottime_ms() - generation->exec_ms.value_or(boottime_ms()) > spec_.start.stable.count();
  if (tcp == held.end()) co_return settled;
  // Beside others it gets no connection until it is let in; and an adopter would have told by then.
  if (shares_port() && settled && !generation->adopter->state().present) {
    services_.sockets.set_live(spec_, number_, true);
  }
  if (!caller.is_open()) {
    connect_to(*tcp, caller);
    co_return false;  // it is on its way
  }
  const auto inode = accepted_inode(caller.native_handle());
  if (inode == 0) co_return false;
  auto look = [inode, tree = generation->tree] { return holds(tree, inode); };
  const bool own = co_await services_.proc_worker.run(std::move(look));
  boost::system::error_code ignored;
  if (!own) caller.close(ignored);  // another instance has it: the next one may come here
  co_return own;
}

/// Lets a proven generation take connections. From here on it serves, and the record says so first:
/// a daemon that comes after a crash finds one of two clean states.
Task<bool> Instance::admit(std::shared_ptr<Generation> generation) {
  if (generation->took != Took::adopter) co_return true;
  const auto number = generation->number;
  const auto proving = [&] {
    return runs(number) && slot_.current->phase == machine::Phase::proving;
  };
  auto record = record_of(*generation);
  record.phase = Phase::online;
  write_record(services_.runtime_directory, record);
  auto& adopter = *generation->adopter;
  adopter.join();
  const auto until = std::chrono::steady_clock::now() + kJoinLimit;
  while (proving() && !adopter.state().joined && adopter.state().failure.empty() &&
         std::chrono::steady_clock::now() < until) {
    co_await adopter.changed().wait(kLook);
  }
  if (!proving()) co_return false;
  if (adopter.state().joined && adopter.state().failure.empty()) co_return true;
  not_proven(
      *generation,
      "not proven: it was told to take connections from " + all_of(generation->held) + ", and " +
          (adopter.state().failure.empty() ? "did not within 10 s" : adopter.state().failure),
      Cause::adopter);
  co_return false;
}

/// The requests of `reload.warmup`, before it is let in. Gives what went wrong.
Task<std::optional<std::string>> Instance::warm_up(std::shared_ptr<Generation> generation) {
  const auto paths = spec_.reload.warmup;
  for (const auto& path : paths) {
    HttpRequest request;
    request.socket = generation->own_socket;
    request.path = path;
    auto asking = http_request(std::move(request), kWarmupLimit);
    const auto answer = co_await std::move(asking);
    if (!answer) co_return "warm-up " + path + ": " + answer.error().message;
    if (answer->status >= 500) {
      co_return "warm-up " + path + " is answered with " + std::to_string(answer->status);
    }
  }
  co_return std::nullopt;
}

/// Where it alone answers: its private socket, if its adopter serves one.
std::optional<std::string> Instance::private_socket(const Generation& generation) {
  if (generation.took != Took::adopter) return std::nullopt;
  return generation.own_socket;
}

/// What to tell of a generation that ended, or was given up, before it took what is held for it.
std::string Instance::not_taken(const Generation& generation) const {
  if (generation.held.empty() || generation.took != Took::nothing) return "";
  return "; dixisd holds " + all_of(generation.held) +
         " for it (`listen`), and it did not take it: it has to be a Node program that listens "
         "there, or one that knows LISTEN_FDS; one that binds by itself gets EADDRINUSE, and needs "
         "`port` instead of `listen`";
}

}  // namespace dixis
