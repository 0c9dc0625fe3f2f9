#pragma once

#include <random>
#include <string>
#include <utility>

namespace dixis::test {

/// What a disk, a power cut or an enemy makes of a document. Never the same text again, unless it
/// was empty.
inline std::string damage(std::string text, std::mt19937& random) {
  const std::string before = text;
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random()) % limit; };
  static const char* const kHostile[] = {
      "",        "{",       "null", "[]",  "{}",  "\"\"",   "1e999",      "-1",
      "true",    "\\u0000", "0x",   "NaN", "}}}", "[[[[[[", "4294967296", "18446744073709551616",
      "\xff\xfe"};
  while (text == before && !text.empty()) {
    switch (below(6)) {
      case 0:  // a bit
        text[below(text.size())] ^= static_cast<char>(1U << below(8));
        break;
      case 1:  // cut short
        text.resize(below(text.size()));
        break;
      case 2: {  // a page of zeros
        const auto from = below(text.size());
        text.replace(from, text.size() - from, text.size() - from, '\0');
        break;
      }
      case 3: {  // a piece gone
        const auto from = below(text.size());
        text.erase(from, 1 + below(20));
        break;
      }
      case 4: {  // something else in the place of a piece
        const auto from = below(text.size());
        text.replace(from, below(20), kHostile[below(std::size(kHostile))]);
        break;
      }
      default:  // deep
        text.insert(below(text.size()), std::string(below(5000), '['));
    }
  }
  return text;
}

}  // namespace dixis::test
