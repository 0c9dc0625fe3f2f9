#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "ctl/failure.hpp"
#include "ctl/run.hpp"

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return dixis::ctl::run(words);
  } catch (const std::exception& error) {
    // Out of memory, most likely: nothing else throws.
    (void)std::fprintf(stderr, "dixisctl: %s\n", error.what());
    return static_cast<int>(dixis::ctl::ExitCode::failed);
  }
}
