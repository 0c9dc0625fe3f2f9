#pragma once

#include "common/json.hpp"
#include "ctl/arguments.hpp"
#include "ctl/client.hpp"
#include "ctl/console.hpp"

namespace dixis::ctl {

/// What a verb works with.
struct Context {
  const Arguments& arguments;
  Console& console;
};

/// Connects as the command line says.
Answer<Client> connect(const Context& context);

/// Asks what changes nothing: again, within the timeout, where the daemon is replaced meanwhile.
Answer<boost::json::object> question(const Context& context, const std::string& method,
                                     const boost::json::object& parameters);

/// The operands as the `targets` of a call.
boost::json::array targets_of(const Arguments& arguments);

/// The daemon sent something of another kind than it should.
Failure not_understood(const std::string& what);

/// A whole reply as a value.
template <class T>
Answer<T> read_as(const boost::json::object& reply) {
  T value{};
  const auto read = json::read(boost::json::value(reply), value);
  if (!read) return not_understood(read.error().message);
  return value;
}

/// The array in a reply. An absent one is a stranger's reply: an empty list would be a lie.
Answer<boost::json::array> array_of(const boost::json::object& reply, std::string_view name);

/// A field of a reply as a value. Where it is absent or null the value keeps its default; where it
/// is of another kind the reply is malformed.
template <class T>
Answer<T> field_of(const boost::json::object& reply, std::string_view name) {
  T value{};
  const boost::json::value* field = reply.if_contains(name);
  if (field == nullptr || field->is_null()) return value;
  const auto read = json::read(*field, value, std::string(name));
  if (!read) return not_understood(read.error().message);
  return value;
}

}  // namespace dixis::ctl
