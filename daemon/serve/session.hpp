#pragma once

#include <memory>

#include "daemon/serve/connection.hpp"
#include "daemon/serve/peer.hpp"

namespace dixis {

class Supervisor;

/// Answers the calls of one client in their order, until there are no more. A verb that has been
/// accepted goes on when its client is gone.
Task<void> run_session(std::shared_ptr<Connection> connection, Peer peer, Role role,
                       Supervisor& supervisor);

}  // namespace dixis
