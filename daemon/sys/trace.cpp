#include "daemon/sys/trace.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sys/trace_record.hpp"

namespace dixis {
namespace {

const std::string kTracing = "/sys/kernel/tracing";

/// A processor's part of the ring: what kills comes one by one.
constexpr const char* kBufferKiB = "32";

/// Signals that end who doesn't expect them. Faults (SIGSEGV and the like) only where a process
/// sent them: some programs live on them; so do those that are used for all sorts of things.
/// Result 1: ignored by the receiver. And SIGCHLD of who was killed: it tells whose child that was.
constexpr const char* kSignals =
    "(result!=1&&(sig==9||sig==15||sig==1||sig==2||sig==3||sig==6||"
    "(code<=0&&code!=-2&&(sig==4||sig==7||sig==8||sig==11||sig==24||sig==25||sig==31))||"
    "(code==0&&(sig==5||sig==10||sig==12||sig==13||sig==14))))||"
    "(sig==17&&(code==2||code==3))";

/// Where distributions install programs; what starts from there is nothing to look at.
constexpr const char* kPrograms =
    "!(filename ~ \"/usr/*\")&&!(filename ~ \"/bin/*\")&&!(filename ~ \"/sbin/*\")&&"
    "!(filename ~ \"/lib*\")";

/// A filter is at most a page long.
constexpr std::size_t kMaxFilter = 4000;

Result<void> write_text(const std::string& path, std::string_view text, int flags = 0) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
    return errno_error("cannot write " + path, errno);
  }
  return {};
}

std::string instance_directory(const std::string& name) {
  return kTracing + "/instances/" + name;
}

/// Groups of events are identifiers.
std::string group_of(std::string name) {
  for (char& letter : name) {
    if (letter == '-') letter = '_';
  }
  return name;
}

std::string ends_directory(const std::string& name) {
  return instance_directory(name) + "/events/" + group_of(name) + "/" +
         std::string(kThreadEndedEvent);
}

std::string filter_of(const std::vector<pid_t>& pids) {
  std::string filter;
  for (const pid_t pid : pids) {
    if (filter.size() > kMaxFilter) break;
    filter += (filter.empty() ? "common_pid==" : "||common_pid==") + std::to_string(pid);
  }
  return filter.empty() ? "common_pid==-1" : filter;
}

/// A probe at do_exit: unlike syscalls:sys_enter_exit_group it sees signals too, and doesn't send
/// every system call of the machine through the kernel's slow path.
bool watch_exits(const std::string& name) {
  const std::string probe =
      "p:" + group_of(name) + "/" + std::string(kThreadEndedEvent) + " do_exit code=$arg1:s32";
  // An error may mean that a predecessor's is there.
  [[maybe_unused]] const auto made = write_text(kTracing + "/kprobe_events", probe, O_APPEND);
  const std::string directory = ends_directory(name);
  if (::access(directory.c_str(), F_OK) != 0) return false;
  // One that was taken over is on already, and knows whom to watch.
  [[maybe_unused]] const auto filtered =
      made ? write_text(directory + "/filter", filter_of({})) : Result<void>();
  return static_cast<bool>(write_text(directory + "/enable", "1"));
}

Result<void> furnish(const std::string& directory) {
  // Setting the clock empties the ring: never where a predecessor's records lie.
  for (const auto& [file, text] : {std::pair{"buffer_size_kb", kBufferKiB},
                                   {"trace_clock", "boot"},
                                   {"buffer_percent", "0"}}) {
    auto written = write_text(directory + "/" + file, text);
    if (!written) return written;
  }
  return {};
}

Result<void> enable(const std::string& event, const char* filter) {
  auto filtered = write_text(event + "/filter", filter);
  if (!filtered) return filtered;
  return write_text(event + "/enable", "1");
}

}  // namespace

Result<Trace> open_trace(const std::string& name) {
  const std::string directory = instance_directory(name);
  const bool fresh = ::mkdir(directory.c_str(), S_IRWXU) == 0;
  if (!fresh && errno == ENOENT) return Error{"tracefs is not mounted at " + kTracing};
  if (!fresh && errno != EEXIST) return errno_error("cannot make " + directory, errno);
  if (fresh) {
    if (auto furnished = furnish(directory); !furnished) {
      remove_trace(name);
      return furnished.error();
    }
  }
  Trace trace;
  trace.name = name;
  trace.sees_ends = watch_exits(name);
  const auto signals = enable(directory + "/events/signal/signal_generate", kSignals);
  if (!signals) {
    remove_trace(name);
    return signals.error();
  }
  // Without it, strangers are found by those who look.
  [[maybe_unused]] const auto programs =
      enable(directory + "/events/sched/sched_process_exec", kPrograms);
  const std::string pipe = directory + "/trace_pipe";
  trace.pipe.reset(::open(pipe.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!trace.pipe) return errno_error("cannot open " + pipe, errno);
  return trace;
}

void watch_ends(const std::string& name, const std::vector<pid_t>& pids) {
  [[maybe_unused]] const auto written =
      write_text(ends_directory(name) + "/filter", filter_of(pids));
}

void remove_trace(const std::string& name) {
  [[maybe_unused]] const auto off = write_text(ends_directory(name) + "/enable", "0");
  ::rmdir(instance_directory(name).c_str());
  const std::string probe = "-:" + group_of(name) + "/" + std::string(kThreadEndedEvent);
  [[maybe_unused]] const auto removed = write_text(kTracing + "/kprobe_events", probe, O_APPEND);
}

}  // namespace dixis
