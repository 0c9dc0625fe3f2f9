#include "common/varlink.hpp"

#include "common/utf8.hpp"

namespace dixis::varlink {
namespace {

namespace bj = boost::json;

std::string kind_name(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::null:
      return "null";
    case bj::kind::bool_:
      return "a boolean";
    case bj::kind::string:
      return "a string";
    case bj::kind::array:
      return "an array";
    case bj::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

Error wrong_kind(std::string_view field, std::string_view expected, const bj::value& found) {
  return {"field '" + std::string(field) + "' of the message: expected " + std::string(expected) +
          ", found " + kind_name(found)};
}

Result<bj::object> parse_object(std::string_view message) {
  bj::parse_options options;
  options.max_depth = kMaxDepth;
  boost::system::error_code error;
  bj::value value = bj::parse({message.data(), message.size()}, error, {}, options);
  if (error == bj::error::too_deep) {
    return Error{"message is nested deeper than " + std::to_string(kMaxDepth) + " levels"};
  }
  if (error) return Error{"message is not JSON: " + error.message()};
  if (!value.is_object()) {
    return Error{"message is " + kind_name(value) + ", expected an object"};
  }
  return std::move(value.get_object());
}

Result<std::optional<std::string>> string_field(const bj::object& message, std::string_view name) {
  const bj::value* value = message.if_contains(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong_kind(name, "a string", *value);
  return std::optional<std::string>(value->get_string());
}

Result<bool> flag_field(const bj::object& message, std::string_view name) {
  const bj::value* value = message.if_contains(name);
  if (value == nullptr) return false;
  if (!value->is_bool()) return wrong_kind(name, "true or false", *value);
  return value->get_bool();
}

Result<bj::object> parameters_field(bj::object& message) {
  bj::value* value = message.if_contains("parameters");
  // Some libraries write null where there are no parameters.
  if (value == nullptr || value->is_null()) return bj::object();
  if (!value->is_object()) return wrong_kind("parameters", "an object", *value);
  return std::move(value->get_object());
}

std::string framed(const bj::object& message) {
  std::string out = valid_utf8(bj::serialize(message));
  out.push_back('\0');
  return out;
}

}  // namespace

Result<void> FrameReader::feed(std::string_view bytes) {
  const auto too_long = [&]() -> Result<void> {
    failed_ = true;
    return Error{"message is longer than the limit of " + std::to_string(max_bytes_) + " bytes"};
  };
  if (failed_) return too_long();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\0', at);
    const bool whole = end != std::string_view::npos;
    open_ += (whole ? end : bytes.size()) - at;
    if (open_ > max_bytes_) return too_long();
    if (whole) open_ = 0;
    at = whole ? end + 1 : bytes.size();
  }
  buffer_ += bytes;
  return {};
}

std::optional<std::string> FrameReader::next() {
  if (failed_) return std::nullopt;
  const std::size_t end = buffer_.find('\0', std::max(scanned_, head_));
  if (end == std::string::npos) {
    // What was returned is dropped only here, once for all messages of a read: dropping it after
    // each one would move the rest of the buffer as often as there are messages.
    buffer_.erase(0, head_);
    head_ = 0;
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string message = buffer_.substr(head_, end - head_);
  head_ = end + 1;
  return message;
}

Result<Call> parse_call(std::string_view message) {
  auto object = parse_object(message);
  if (!object) return object.error();
  auto method = string_field(*object, "method");
  if (!method) return method.error();
  if (!*method || (*method)->empty()) return Error{"message has no field 'method'"};
  auto parameters = parameters_field(*object);
  if (!parameters) return parameters.error();
  const auto more = flag_field(*object, "more");
  if (!more) return more.error();
  const auto oneway = flag_field(*object, "oneway");
  if (!oneway) return oneway.error();
  if (*more && *oneway) {
    return Error{"message asks for several replies ('more') and for none ('oneway')"};
  }
  return Call{std::move(**method), std::move(*parameters), *more, *oneway};
}

Result<Reply> parse_reply(std::string_view message) {
  auto object = parse_object(message);
  if (!object) return object.error();
  auto error = string_field(*object, "error");
  if (!error) return error.error();
  if (*error && (*error)->empty()) return Error{"field 'error' of the message is empty"};
  auto parameters = parameters_field(*object);
  if (!parameters) return parameters.error();
  const auto continues = flag_field(*object, "continues");
  if (!continues) return continues.error();
  if (*error && *continues) {
    return Error{"message is an error and says that more replies follow"};
  }
  return Reply{std::move(*error), std::move(*parameters), *continues};
}

std::string frame(const Call& call) {
  bj::object message;
  message["method"] = call.method;
  message["parameters"] = call.parameters;
  if (call.more) message["more"] = true;
  if (call.oneway) message["oneway"] = true;
  return framed(message);
}

std::string frame(const Reply& reply) {
  bj::object message;
  if (reply.error) message["error"] = *reply.error;
  message["parameters"] = reply.parameters;
  if (reply.continues) message["continues"] = true;
  return framed(message);
}

}  // namespace dixis::varlink
