#pragma once

namespace dixis {

/// Raises the soft limit of open files to the hard one: two pipes and a pidfd for each instance, a
/// socket for each client. Apps get their own limits (1024, unless configured).
void raise_file_limit();

}  // namespace dixis
