#pragma once

#include <optional>
#include <string>

#include "common/json.hpp"

/// Parameters of calls, read strictly: a mistyped name must not be silently ignored.
namespace dixis {

namespace detail {

/// Whether json::write makes an object with fixed fields of T.
template <class T>
constexpr bool is_record() {
  return boost::describe::has_describe_members<T>::value;
}

/// The path of the first field that T doesn't have or that is required and missing.
template <class T>
std::optional<std::string> find_misfit(const boost::json::object& in, const std::string& prefix) {
  std::optional<std::string> misfit;
  for (const auto& field : in) {
    bool known = false;
    boost::mp11::mp_for_each<json::Members<T>>(
        [&](auto member) { known = known || field.key() == member.name; });
    if (!known) return prefix + std::string(field.key());
  }
  boost::mp11::mp_for_each<json::Members<T>>([&](auto member) {
    using Field = std::remove_cvref_t<decltype(std::declval<T&>().*member.pointer)>;
    if (misfit) return;
    const auto* value = in.if_contains(member.name);
    const bool given = value != nullptr && !value->is_null();
    if (!given && !json::is_optional<Field>) {
      misfit = prefix + member.name;
    } else if constexpr (is_record<Field>()) {
      if (value->is_object()) {
        misfit = find_misfit<Field>(value->get_object(), prefix + member.name + ".");
      }
    }
  });
  return misfit;
}

}  // namespace detail

/// Reads the parameters of a call into `out`, a described type: its optional fields may be absent
/// or null, the others are required. Returns the path of the first that is wrong, if one is.
template <class T>
std::optional<std::string> read_parameters(const boost::json::object& in, T& out) {
  if (auto misfit = detail::find_misfit<T>(in, "")) return misfit;
  if (const auto result = json::read(boost::json::value(in), out); !result) {
    const auto& message = result.error().message;
    return message.substr(0, message.find(": "));
  }
  return std::nullopt;
}

}  // namespace dixis
