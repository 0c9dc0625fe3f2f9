#pragma once

#include <optional>

#include "daemon/serve/call.hpp"
#include "daemon/serve/replies.hpp"

namespace dixis {

/// NoSuchApp or ShuttingDown, where a verb on `targets` can't be accepted.
std::optional<varlink::Reply> refuse_verb(const Supervisor& supervisor,
                                          const std::vector<std::string>& targets);
std::optional<varlink::Reply> refuse_targets(const Supervisor& supervisor,
                                             const std::vector<std::string>& targets);

/// Waits for an operation and tells of it as the call asks for: with `more` its id and deadline,
/// its progress and its outcomes; without, the outcomes; with wait=false its id and deadline, once
/// the desired state is durable. `extra` goes into the first and the last reply.
Task<varlink::Reply> follow(CallContext context, OperationPtr operation, bool wait,
                            boost::json::object extra = {});

}  // namespace dixis
