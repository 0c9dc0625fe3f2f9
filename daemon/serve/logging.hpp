#pragma once

namespace dixis {

/// Makes spdlog write plain lines to stderr, and never wait for it: while nobody reads a full pipe
/// or terminal, lines are dropped, counted, and the count is told later.
void log_to_stderr();

}  // namespace dixis
