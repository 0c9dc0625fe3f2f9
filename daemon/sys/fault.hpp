#pragma once

namespace dixis::fault {

/// A place in which a test may have this process killed, by its name: with DIXIS_FAULT=NAME or
/// NAME:N in the environment the N-th arrival (1) is a SIGKILL of oneself, the same as if somebody
/// else's had come at this instant. Without it nothing happens, at the price of one comparison.
/// Any thread; not between fork and exec.
void point(const char* name);

}  // namespace dixis::fault
