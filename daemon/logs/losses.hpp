#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace dixis {

/// Lines that didn't reach a log.
struct Loss {
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  std::chrono::system_clock::time_point first{};
  std::chrono::system_clock::time_point last{};
  int error = 0;  ///< errno of what went wrong; 0: the disk was too slow, or hung

  bool empty() const { return lines == 0 && bytes == 0; }
};

/// "[dixis] 120 lines (34567 bytes) were lost between TIME and TIME: No space left on device\n"
std::string gap_line(const Loss& loss);

/// What a log owes its readers to tell, until it is written. Any thread.
class Losses {
 public:
  void add(const Loss& loss);
  Loss owed() const;
  /// `told` stands in the log now; what came meanwhile stays owed.
  void settle(const Loss& told);

 private:
  mutable std::mutex mutex_{};
  Loss owed_{};
};

}  // namespace dixis
