#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>

#include "common/result.hpp"

/// JSON of described types (Boost.Describe), both ways.
///
/// Writing: an absent optional is null, an enumerator is its name, milliseconds are a number.
/// Reading: unknown fields are ignored and missing ones keep their default, so that an older
/// program understands a newer one's documents; a field of the wrong kind is an error that
/// names its path.
namespace dixis::json {

namespace bj = boost::json;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class T>
inline constexpr bool is_map<std::map<std::string, T>> = true;

template <class T>
using Members = boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                         boost::describe::mod_inherited>;

template <class T>
std::string enum_name(T value) {
  return boost::describe::enum_to_string(value, "unknown");
}

template <class T>
bj::value write(const T& in) {
  if constexpr (std::is_same_v<T, bj::value> || std::is_same_v<T, bj::object>) {
    return in;
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
    return bj::value(in);
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    return bj::value(static_cast<std::int64_t>(in.count()));
  } else if constexpr (std::is_enum_v<T>) {
    return bj::value(enum_name(in));
  } else if constexpr (std::is_floating_point_v<T>) {
    return bj::value(static_cast<double>(in));
  } else if constexpr (std::is_unsigned_v<T>) {
    return bj::value(static_cast<std::uint64_t>(in));
  } else if constexpr (std::is_integral_v<T>) {
    return bj::value(static_cast<std::int64_t>(in));
  } else if constexpr (is_optional<T>) {
    return in ? write(*in) : bj::value(nullptr);
  } else if constexpr (is_vector<T>) {
    bj::array out;
    out.reserve(in.size());
    for (const auto& item : in) out.push_back(write(item));
    return out;
  } else if constexpr (is_map<T>) {
    bj::object out;
    for (const auto& [key, value] : in) out[key] = write(value);
    return out;
  } else {
    bj::object out;
    boost::mp11::mp_for_each<Members<T>>(
        [&](auto member) { out[member.name] = write(in.*member.pointer); });
    return out;
  }
}

/// Reads `in` into `out`; the error names the path of the field that is wrong.
template <class T>
Result<void> read(const bj::value& in, T& out, const std::string& path = "") {
  const auto wrong = [&](const char* expected) -> Result<void> {
    return Error{(path.empty() ? std::string("document") : path) + ": expected " + expected};
  };
  if constexpr (std::is_same_v<T, bj::value>) {
    out = in;
    return {};
  } else if constexpr (std::is_same_v<T, bj::object>) {
    if (!in.is_object()) return wrong("an object");
    out = in.get_object();
    return {};
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!in.is_bool()) return wrong("true or false");
    out = in.get_bool();
    return {};
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!in.is_string()) return wrong("a string");
    out = std::string(in.get_string());
    return {};
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    std::int64_t count = 0;
    auto result = read(in, count, path);
    if (result) out = std::chrono::milliseconds(count);
    return result;
  } else if constexpr (std::is_enum_v<T>) {
    if (!in.is_string()) return wrong("a string");
    const std::string name(in.get_string());
    if (!boost::describe::enum_from_string(name.c_str(), out)) return wrong("one of its names");
    return {};
  } else if constexpr (std::is_arithmetic_v<T>) {
    boost::system::error_code error;
    out = in.to_number<T>(error);
    if (error) return wrong("a number in range");
    return {};
  } else if constexpr (is_optional<T>) {
    out.reset();
    if (in.is_null()) return {};
    return read(in, out.emplace(), path);
  } else if constexpr (is_vector<T>) {
    if (!in.is_array()) return wrong("an array");
    out.clear();
    for (std::size_t i = 0; i < in.get_array().size(); ++i) {
      std::string item_path = path;
      item_path.append("[").append(std::to_string(i)).append("]");
      auto result = read(in.get_array()[i], out.emplace_back(), item_path);
      if (!result) return result;
    }
    return {};
  } else if constexpr (is_map<T>) {
    if (!in.is_object()) return wrong("an object");
    out.clear();
    for (const auto& field : in.get_object()) {
      const std::string key(field.key());
      auto result = read(field.value(), out[key], path.empty() ? key : path + "." + key);
      if (!result) return result;
    }
    return {};
  } else {
    if (!in.is_object()) return wrong("an object");
    Result<void> result{};
    boost::mp11::mp_for_each<Members<T>>([&](auto member) {
      const auto* field = in.get_object().if_contains(member.name);
      if (!result || field == nullptr) return;
      if (field->is_null() && !is_optional<std::remove_cvref_t<decltype(out.*member.pointer)>>) {
        return;  // null is "not given"
      }
      result = read(*field, out.*member.pointer,
                    path.empty() ? std::string(member.name) : path + "." + member.name);
    });
    return result;
  }
}

}  // namespace dixis::json
