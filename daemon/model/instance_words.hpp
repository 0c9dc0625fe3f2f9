#pragma once

#include <cstdint>
#include <string>

namespace dixis {

/// What differs from instance to instance: "3001+{instance}" is 3001 and the instance's number
/// added up, "{instance}" alone that number. Other text stays as it is.
std::string for_instance(const std::string& text, std::uint32_t instance);

}  // namespace dixis
