#pragma once

#include "daemon/serve/call.hpp"
#include "daemon/serve/replies.hpp"

/// The methods, a file a verb family.
namespace dixis::handlers {

// service.cpp
Task<varlink::Reply> get_info(CallContext context);
Task<varlink::Reply> get_interface_description(CallContext context);

// query.cpp
Task<varlink::Reply> ping(CallContext context);
Task<varlink::Reply> list(CallContext context);
Task<varlink::Reply> describe(CallContext context);

// health.cpp
Task<varlink::Reply> deaths(CallContext context);
Task<varlink::Reply> probe(CallContext context);

// control.cpp
Task<varlink::Reply> start(CallContext context);
Task<varlink::Reply> stop(CallContext context);
Task<varlink::Reply> restart(CallContext context);
Task<varlink::Reply> reload(CallContext context);
Task<varlink::Reply> scale(CallContext context);

// operation.cpp
Task<varlink::Reply> follow_operation(CallContext context);

// signal.cpp
Task<varlink::Reply> signal(CallContext context);

// log_files.cpp
Task<varlink::Reply> flush(CallContext context);
Task<varlink::Reply> reopen(CallContext context);

// config.cpp
Task<varlink::Reply> load_config(CallContext context);
Task<varlink::Reply> add(CallContext context);
Task<varlink::Reply> remove(CallContext context);

// events.cpp
Task<varlink::Reply> subscribe(CallContext context);

// logs.cpp
Task<varlink::Reply> logs(CallContext context);
// upgrade.cpp
Task<varlink::Reply> upgrade(CallContext context);

// shutdown.cpp
Task<varlink::Reply> shutdown(CallContext context);

}  // namespace dixis::handlers
