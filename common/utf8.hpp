#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// The little that is needed of UTF-8, on both sides of the wire.
namespace dixis {

/// One code point at the start of a text. `valid` is false for a byte that begins none.
struct CodePoint {
  char32_t value = 0xFFFD;
  std::size_t bytes = 1;
  bool valid = false;
};

/// Decodes the first code point of `text`, which must not be empty. Overlong forms, surrogates and
/// what lies beyond U+10FFFF are invalid.
CodePoint first_code_point(std::string_view text);

/// The same text with each byte that isn't UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string text);

}  // namespace dixis
