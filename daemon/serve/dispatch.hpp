#pragma once

#include "daemon/serve/call.hpp"

namespace dixis {

/// Finds the method, checks that the caller may, and has it answered. Returns the last reply;
/// unknown names and missing permission are replies, too.
Task<varlink::Reply> dispatch(CallContext context);

}  // namespace dixis
