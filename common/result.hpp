#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

namespace dixis {

/// An expected failure, worded for the person who reads it.
struct Error {
  std::string message;  ///< what failed, on what, and why (errno text included)
  std::string hint{};   ///< what to do next; empty where there is nothing sensible to say
};

/// What a Result<T> is made of: what converts to T, but no Error and no Result.
template <class U, class T>
concept ValueFor = std::convertible_to<U, T> && !std::same_as<std::remove_cvref_t<U>, Error> &&
                   !std::derived_from<std::remove_cvref_t<U>, boost::system::result<T, Error>>;

/// A value or the reason why there is none. Boost's result, but implicitly made of a string too: an
/// Error can be made of one, which is why the base class refuses to choose.
template <class T>
class Result : public boost::system::result<T, Error> {
  using Base = boost::system::result<T, Error>;

 public:
  using Base::Base;
  template <ValueFor<T> U>
  // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): never taken for a Result, see ValueFor
  Result(U&& value) : Base(boost::system::in_place_value, std::forward<U>(value)) {}
  Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

template <>
class Result<void> : public boost::system::result<void, Error> {
  using Base = boost::system::result<void, Error>;

 public:
  using Base::Base;
  Result() = default;
  Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

/// "WHAT: strerror(error_number)", as an Error. `error_number` is an errno value.
Error errno_error(std::string_view what, int error_number, std::string hint = {});

/// Called by Result::value() on an error; it throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& location);

}  // namespace dixis
