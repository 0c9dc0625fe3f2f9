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

/// Whether the id that a client chose for its call is one that has been called before. A wrong one
/// counts as known: follow_again() refuses it.
bool knows(const CallContext& context, const std::optional<std::string>& operation);
/// Answers a call of `verb` whose operation is known: it is followed, not executed again. Null:
/// of any verb.
Task<varlink::Reply> follow_again(CallContext context, std::string operation, const char* verb,
                                  bool wait);

/// Waits for an operation and tells of it as the call asks for: with `more` its id and deadline,
/// its progress and its outcomes; without, the outcomes; with wait=false its id and deadline, once
/// the desired state is durable. `extra` goes into the first and the last reply.
Task<varlink::Reply> follow(CallContext context, OperationPtr operation, bool wait,
                            boost::json::object extra = {});

}  // namespace dixis
