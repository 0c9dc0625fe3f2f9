#pragma once

namespace dixis {

/// Makes spdlog write plain lines to stderr, and never wait for it: while nobody reads a full pipe
/// or terminal, lines are dropped, counted, and the count is told later.
/// Where stderr is the journal, lines have their level as sd-daemon(3) says, and no time.
void log_to_stderr();

}  // namespace dixis
