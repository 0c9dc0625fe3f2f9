#include "daemon/run/log_settings_of.hpp"

#include <algorithm>

namespace dixis {

LogSettings log_settings_of(const AppSpec& spec) {
  const LogSpec& logs = spec.logs;
  LogSettings out = default_log_settings(spec.name);
  if (!logs.out.empty()) out.out = logs.out;
  if (!logs.err.empty()) out.err = logs.err;
  const bool own_files = log_name(out, 0, LogStream::out) != log_name(out, 1, LogStream::out);
  const std::uint64_t written = 2 * (own_files ? spec.instances : 1);
  constexpr std::uint64_t kSmallest = 4096;
  out.max_size = std::min(logs.max_size, std::max(kSmallest, logs.max_total / (2 * written)));
  out.keep = logs.keep;
  out.max_age = logs.max_age;
  out.max_total = logs.max_total;
  out.format =
      logs.format == LogSpec::Format::text ? LogSettings::Format::text : LogSettings::Format::raw;
  out.when_full = logs.when_full == LogSpec::WhenFull::block ? LogSettings::WhenFull::block
                                                             : LogSettings::WhenFull::drop;
  out.several = spec.instances > 1 && !own_files;
  return out;
}

}  // namespace dixis
