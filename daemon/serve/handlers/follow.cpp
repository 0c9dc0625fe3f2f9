#include "daemon/serve/handlers/follow.hpp"

namespace dixis {

namespace {

namespace bj = boost::json;

// All fields of a reply of a verb are nullable; those that are absent are left out of the frame.
bj::object compact(const VerbReply& reply, const bj::object& extra) {
  bj::object out;
  const bj::value all = json::write(reply);
  for (const auto& field : all.get_object()) {
    if (!field.value().is_null()) out.emplace(field.key(), field.value());
  }
  for (const auto& field : extra) out[field.key()] = field.value();
  return out;
}

VerbReply accepted(const Operation& operation) {
  VerbReply reply;
  reply.operation = operation.id();
  reply.deadline_ms = operation.left().count();
  return reply;
}

varlink::Reply no_such_operation(const std::string& id) {
  return error_reply(varlink::error::kNoSuchOperation, {{"operation", id}});
}

}  // namespace

bool knows(const CallContext& context, const std::optional<std::string>& operation) {
  return operation && (!is_operation_id(*operation) || context.supervisor.knows(*operation));
}

Task<varlink::Reply> follow_again(CallContext context, std::string operation, const char* verb,
                                  bool wait) {
  if (!is_operation_id(operation)) co_return invalid_parameter("operation");
  const auto known = context.supervisor.operation(operation);
  if (!known) co_return no_such_operation(operation);
  const auto& record = known->record;
  if (record.lost) {
    co_return failed("nobody can tell how the verb ended: " + *record.lost,
                     "look with `dixisctl list`");
  }
  const bool own = record.uid == static_cast<std::int64_t>(context.peer.uid);
  if (!own && context.role != Role::owner) co_return permission_denied();
  if (verb != nullptr && verb != record.verb) co_return invalid_parameter("operation");
  bj::object extra;
  if (record.plan) extra["plan"] = json::write(*record.plan);
  if (record.plan) extra["problems"] = bj::array();
  if (record.verb == "add" || record.verb == "remove") extra["file"] = record.file;
  co_return co_await follow(context, known->operation, wait, std::move(extra));
}

std::optional<varlink::Reply> refuse_targets(const Supervisor& supervisor,
                                             const std::vector<std::string>& targets) {
  const auto missing = supervisor.unknown_target(targets);
  if (!missing) return std::nullopt;
  return error_reply(varlink::error::kNoSuchApp,
                     {{"target", missing->target}, {"nearest", json::write(missing->nearest)}});
}

std::optional<varlink::Reply> refuse_verb(const Supervisor& supervisor,
                                          const std::vector<std::string>& targets) {
  if (supervisor.shutting_down()) return error_reply(varlink::error::kShuttingDown);
  return refuse_targets(supervisor, targets);
}

Task<varlink::Reply> follow(CallContext context, OperationPtr operation, bool wait,
                            bj::object extra) {
  // A call that wants no reply must not hold up those behind it.
  if (context.call.oneway) co_return reply();
  if (!wait) {
    while (!operation->remembered() && !operation->result() && !operation->withdrawn()) {
      context.stream.check();
      co_await operation->changed().wait();
    }
    if (operation->withdrawn()) co_return no_such_operation(operation->id());
    VerbReply last = accepted(*operation);
    last.not_durable = operation->not_durable();
    co_return reply(compact(last, extra));
  }
  if (context.call.more) co_await context.stream.send(compact(accepted(*operation), extra));

  std::size_t told = 0;
  while (true) {
    while (context.call.more && told < operation->progress().size()) {
      VerbReply step;
      step.progress = operation->progress()[told++];
      co_await context.stream.send(compact(step, {}));
    }
    if (operation->result()) break;
    if (operation->withdrawn()) co_return no_such_operation(operation->id());
    if (context.call.more) {
      co_await context.stream.wait(operation->changed());
    } else {
      context.stream.check();
      co_await operation->changed().wait();
    }
  }

  const VerbResult& result = *operation->result();
  VerbReply last;
  last.operation = operation->id();
  last.outcomes = result.outcomes;
  last.not_durable = result.not_durable;
  last.warnings = result.warnings;
  co_return reply(compact(last, extra));
}

}  // namespace dixis
