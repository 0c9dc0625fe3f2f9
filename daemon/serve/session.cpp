#include "daemon/serve/session.hpp"

#include <spdlog/spdlog.h>

#include "daemon/run/supervisor.hpp"
#include "daemon/serve/call.hpp"
#include "daemon/serve/dispatch.hpp"
#include "daemon/serve/replies.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

// The last reply, whatever happens; nullopt: nobody waits for it any more.
Task<std::optional<varlink::Reply>> answer(CallContext context) {
  std::string what;
  try {
    // Asio 1.24 throws out of the loop where a coroutine that was spawned ends cancelled without
    // ever having waited: here, when the first reply finds its client gone.
    co_await asio::post(asio::use_awaitable);
    co_return co_await dispatch(context);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) co_return std::nullopt;
    what = error.what();
  } catch (const std::exception& error) {
    what = error.what();
  }
  spdlog::error("{} failed in the daemon itself: {}", context.call.method, what);
  co_return failed("internal error in " + context.call.method + ": " + what,
                   "this is a bug in dixisd; its log has the same line");
}

}  // namespace

Task<void> run_session(std::shared_ptr<Connection> connection, Peer peer, Role role,
                       Supervisor& supervisor) {
  const auto executor = co_await asio::this_coro::executor;
  const auto cancel = std::make_shared<asio::cancellation_signal>();
  connection->start([cancel] { cancel->emit(asio::cancellation_type::terminal); });

  while (true) {
    const auto message = co_await connection->next_message();
    if (!message) break;
    const auto call = varlink::parse_call(*message);
    if (!call) {
      connection->fail(failed("not a Varlink call: " + call.error().message));
      break;
    }
    CallContext context{supervisor, peer, role, *call, ReplyStream(connection)};
    // Who wants no answer may leave at once; the call is carried out all the same.
    const auto slot = call->oneway ? asio::cancellation_slot() : cancel->slot();
    const std::optional<varlink::Reply> last =
        co_await asio::co_spawn(executor, answer(std::move(context)),
                                asio::bind_cancellation_slot(slot, asio::use_awaitable));
    if (last && !call->oneway) connection->send(varlink::frame(*last));

    const Limits& limits = connection->limits();
    const bool read = co_await connection->wait_unread(limits.unread_bytes, limits.unread_time);
    if (!read && !connection->aborted()) {
      connection->fail(limit_exceeded("more than " + std::to_string(limits.unread_bytes) +
                                      " bytes of replies were not read"));
    }
    // A client with a thousand calls in hand lets others have their turn in between.
    co_await asio::post(executor, asio::use_awaitable);
  }
  co_await connection->finish();
}

}  // namespace dixis
