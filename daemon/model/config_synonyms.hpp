#pragma once

#include <string>
#include <string_view>

namespace dixis {

/// Our key for what other supervisors call `word`; empty where there is none. It may be meant for
/// another mapping than the one where the word stands.
std::string key_synonym(std::string_view word);

}  // namespace dixis
