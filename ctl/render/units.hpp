#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dixis::ctl {

/// A duration for reading: "350 ms", "0.8 s", "12 s", "5m 3s", "3h 12m", "2d 3h".
std::string duration_words(std::chrono::milliseconds duration);

/// How long something has been up: as duration_words, in whole seconds.
std::string uptime_words(std::chrono::milliseconds duration);

/// How long a verb took, to a tenth of a second: "0.8 s", "75.0 s".
std::string seconds_words(std::chrono::milliseconds duration);

/// Memory in powers of 1024, as the configuration has it and top shows it: "183 MB", "1.2 GB".
std::string size_words(std::int64_t bytes);

/// "0.4%".
std::string percent_words(double percent);

}  // namespace dixis::ctl
