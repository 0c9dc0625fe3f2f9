#include "daemon/run/held_sockets.hpp"

#include <algorithm>
#include <unistd.h>

#include "daemon/run/port_check.hpp"
#include "daemon/sys/held_socket.hpp"

namespace dixis {

namespace {

SocketAddress to_socket_address(const HeldAddress& address) {
  return {address.host, address.port, address.path};
}

/// Says who stands in the way. Worker only.
Result<UniqueFd> bind_or_name_holder(const HeldAddress& address) {
  auto socket = bind_socket(to_socket_address(address));
  if (socket || address.is_unix()) return socket;
  const auto listeners = tcp_listeners();
  if (!listeners) return socket;
  for (const auto& listener : *listeners) {
    if (!concerns(listener, {address.host, address.port})) continue;
    return Error{
        socket.error().message + ": " + holder_text(listener) + " listens on " + to_text(listener),
        "stop that process, or give `listen` another address"};
  }
  return socket;
}

std::string key_of(const std::string& app, const HeldAddress& address, std::size_t slot) {
  return "listen/" + app + "/" + to_text(address) + "/" + std::to_string(slot);
}

}  // namespace

std::string names_of(const std::vector<HeldAddress>& held) {
  std::string out;
  for (const auto& address : held) {
    if (!out.empty()) out += ':';
    std::string name = address.is_unix()
                           ? "unix-" + address.path.substr(address.path.rfind('/') + 1)
                           : "tcp-" + std::to_string(address.port);
    std::replace(name.begin(), name.end(), ':', '_');
    out += name;
  }
  return out;
}

std::size_t HeldSockets::index_of(const Held& held, std::uint32_t slot) const {
  return held.address.is_unix() ? 0 : slot;
}

HeldSockets::Held& HeldSockets::held_for(const std::string& app, const HeldAddress& address) {
  auto& all = apps_[app];
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Held& held) { return held.address == address; });
  if (found != all.end()) return *found;
  all.push_back({address, {}});
  return all.back();
}

Task<Result<void>> HeldSockets::hold(AppSpec spec) {
  const auto place = co_await turns_.enter();
  for (const auto& address : spec.held) {
    const std::size_t count = address.is_unix() ? 1 : spec.instances;
    for (std::size_t slot = 0; slot < count; ++slot) {
      {
        auto& slots = held_for(spec.name, address).slots;
        if (slots.size() < count) slots.resize(count);
        if (slots[slot]) continue;
      }
      auto work = [address] { return bind_or_name_holder(address); };
      auto socket = co_await slow_worker_.run(std::move(work));
      if (!socket) co_return socket.error();
      keeper_.put(key_of(spec.name, address, slot), socket->get());
      held_for(spec.name, address).slots[slot] = std::move(*socket);
    }
  }
  co_return Result<void>{};
}

void HeldSockets::claim(const AppSpec& spec) {
  for (const auto& address : spec.held) {
    const std::size_t count = address.is_unix() ? 1 : spec.instances;
    auto& slots = held_for(spec.name, address).slots;
    slots.resize(std::max(slots.size(), count));
    for (std::size_t slot = 0; slot < count; ++slot) {
      if (!slots[slot]) slots[slot] = keeper_.find(key_of(spec.name, address, slot));
    }
  }
}

void HeldSockets::take_back(const AppSpec& spec, std::uint32_t slot, pid_t process) {
  for (const auto& address : spec.held) {
    auto found = listening_sockets_of(process, to_socket_address(address));
    if (found.empty()) continue;
    auto& held = held_for(spec.name, address);
    const auto index = index_of(held, slot);
    if (held.slots.size() <= index) held.slots.resize(index + 1);
    if (held.slots[index]) continue;
    keeper_.put(key_of(spec.name, address, index), found.front().get());
    held.slots[index] = std::move(found.front());
  }
}

std::vector<int> HeldSockets::of(const AppSpec& spec, std::uint32_t slot) const {
  std::vector<int> out;
  const auto app = apps_.find(spec.name);
  for (const auto& address : spec.held) {
    int fd = -1;
    if (app != apps_.end()) {
      for (const auto& held : app->second) {
        const auto index = index_of(held, slot);
        if (held.address == address && index < held.slots.size()) fd = held.slots[index].get();
      }
    }
    out.push_back(fd);
  }
  return out;
}

Result<void> HeldSockets::open(const AppSpec& spec, std::uint32_t slot) {
  const auto sockets = of(spec, slot);
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const auto opened = start_listening(sockets[i]);
    if (!opened) {
      return Error{opened.error().message + " on " + to_text(spec.held[i]), opened.error().hint};
    }
    auto& held = held_for(spec.name, spec.held[i]);
    if (held.address.is_unix() || held.slots.size() < 2) continue;
    if (!held.balancer) {
      auto balancer = PortBalancer::attach(sockets[i]);
      if (!balancer) continue;  // then the kernel spreads them by a hash
      held.balancer = std::move(*balancer);
    }
    balance(held);
  }
  return {};
}

void HeldSockets::close(const AppSpec& spec, std::uint32_t slot) {
  const auto sockets = of(spec, slot);
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i] >= 0 && !spec.held[i].is_unix()) stop_listening(sockets[i]);
  }
}

/// Tells the kernel again what is there: a socket that stopped listening has lost its place.
void HeldSockets::balance(Held& held) {
  if (!held.balancer) return;
  std::vector<std::uint32_t> live;
  for (std::uint32_t slot = 0; slot < held.slots.size(); ++slot) {
    if (!held.slots[slot] || !held.balancer->set_socket(slot, held.slots[slot].get())) continue;
    if (held.live.contains(slot)) live.push_back(slot);
  }
  // One that can't be told goes on as it is.
  (void)held.balancer->set_live(live);
}

void HeldSockets::set_live(const AppSpec& spec, std::uint32_t slot, bool live) {
  for (const auto& address : spec.held) {
    if (address.is_unix()) continue;
    auto& held = held_for(spec.name, address);
    const bool was_live = held.live.contains(slot);
    if (live) {
      held.live.insert(slot);
    } else {
      held.live.erase(slot);
    }
    if (was_live != live) balance(held);
  }
}

void HeldSockets::requeue(const AppSpec& spec, std::uint32_t slot) {
  for (const auto& address : spec.held) {
    auto& held = held_for(spec.name, address);
    if (!held.balancer || held.live.empty() || slot >= held.slots.size()) continue;
    // A socket that stops listening hands its queue over, as the program says (kernel 5.14).
    const int socket = held.slots[slot].get();
    stop_listening(socket);
    (void)start_listening(socket);
    balance(held);
  }
}

Task<void> HeldSockets::remove_files(std::vector<std::string> paths) {
  if (paths.empty()) co_return;
  auto work = [paths] {
    for (const auto& path : paths) ::unlink(path.c_str());
  };
  co_await slow_worker_.run(std::move(work));
}

Task<void> HeldSockets::keep_only(AppSpec spec) {
  const auto app = apps_.find(spec.name);
  if (app == apps_.end()) co_return;
  std::vector<std::string> files;
  for (auto& held : app->second) {
    const bool named =
        std::find(spec.held.begin(), spec.held.end(), held.address) != spec.held.end();
    if (!named && held.address.is_unix()) files.push_back(held.address.path);
    let_go(spec.name, held, named ? spec.instances : 0);
  }
  std::erase_if(app->second, [](const Held& held) { return held.slots.empty(); });
  co_await remove_files(std::move(files));
}

/// All but the first `count` slots.
void HeldSockets::let_go(const std::string& app, Held& held, std::size_t count) {
  for (auto slot = count; slot < held.slots.size(); ++slot) {
    keeper_.forget(key_of(app, held.address, slot));
  }
  if (held.slots.size() > count) held.slots.resize(count);
  std::erase_if(held.live, [&](std::uint32_t slot) { return slot >= count; });
  balance(held);
}

Task<void> HeldSockets::release(std::string app) {
  AppSpec nothing;
  nothing.name = app;
  co_await keep_only(std::move(nothing));
  apps_.erase(app);
}

}  // namespace dixis
