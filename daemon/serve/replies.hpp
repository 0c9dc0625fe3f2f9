#pragma once

#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "common/json.hpp"
#include "common/varlink.hpp"

/// Replies as values: a last reply, or one of the protocol's errors.
namespace dixis {

inline varlink::Reply reply(boost::json::object parameters = {}) {
  return {std::nullopt, std::move(parameters), false};
}

/// Its described fields as parameters.
template <class T>
varlink::Reply reply_of(const T& value) {
  return reply(json::write(value).as_object());
}

inline varlink::Reply error_reply(std::string_view name, boost::json::object parameters = {}) {
  return {std::string(name), std::move(parameters), false};
}

inline varlink::Reply invalid_parameter(std::string_view parameter) {
  return error_reply(varlink::error::kInvalidParameter, {{"parameter", parameter}});
}

inline varlink::Reply permission_denied() {
  return error_reply(varlink::error::kPermissionDenied);
}

inline varlink::Reply limit_exceeded(std::string_view message) {
  return error_reply(varlink::error::kLimitExceeded, {{"message", message}});
}

inline varlink::Reply failed(std::string_view message, std::string_view hint = {}) {
  return error_reply(varlink::error::kFailed, {{"message", message}, {"hint", hint}});
}

inline varlink::Reply failed(const Error& error) {
  return failed(error.message, error.hint);
}

}  // namespace dixis
