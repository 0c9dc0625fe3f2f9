#include "daemon/sys/worker.hpp"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t functions are POSIX

namespace dixis {
namespace {

/// Starts a thread that no signal interrupts: the kernel gives them to the loop's thread.
template <class F>
std::thread start_quiet_thread(F function) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(function));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Worker::Worker(const std::string& name)
    : work_(boost::asio::make_work_guard(context_)),
      thread_(start_quiet_thread([this] { context_.run(); })) {
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

Worker::~Worker() {
  context_.stop();
  thread_.join();
}

}  // namespace dixis
