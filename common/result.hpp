#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

namespace dixis {

/// An expected failure, worded for the person who reads it.
struct Error {
  std::string message;  ///< what failed, on what, and why (errno text included)
  std::string hint{};   ///< what to do next; empty where there is nothing sensible to say
};

/// A value or the reason why there is none.
template <class T>
using Result = boost::system::result<T, Error>;

/// "WHAT: strerror(error_number)", as an Error. `error_number` is an errno value.
Error errno_error(std::string_view what, int error_number, std::string hint = {});

/// Called by Result::value() on an error; it throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& location);

}  // namespace dixis
