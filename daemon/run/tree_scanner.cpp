#include "daemon/run/tree_scanner.hpp"

#include <cstdint>

namespace dixis {

namespace asio = boost::asio;

struct TreeScanner::Impl {
  explicit Impl(Worker& w) : worker(w) {}

  Worker& worker;
  std::uint64_t wanted = 0;  ///< number of the latest scan that somebody waits for
  std::uint64_t started = 0;
  std::uint64_t finished = 0;
  ProcessTable latest;
  Notifier scanned;

  static Task<void> run(std::shared_ptr<Impl> self) {
    while (self->finished < self->wanted) {
      const auto number = ++self->started;
      auto work = [] { return read_process_table(true); };
      auto table = co_await self->worker.run(std::move(work));
      self->latest = std::make_shared<const std::vector<ProcessFacts>>(std::move(table));
      self->finished = number;
      self->scanned.notify_all();
    }
  }
};

TreeScanner::TreeScanner(Worker& worker) : impl_(std::make_shared<Impl>(worker)) {}
TreeScanner::~TreeScanner() = default;

Task<ProcessTable> TreeScanner::scan() {
  const auto impl = impl_;
  // A scan under way may have passed the interesting process already: take the next one.
  const auto number = impl->started + 1;
  const bool idle = impl->finished == impl->wanted;
  impl->wanted = std::max(impl->wanted, number);
  if (idle) {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, Impl::run(impl), asio::detached);
  }
  while (impl->finished < number) co_await impl->scanned.wait();
  co_return impl->latest;
}

Task<std::vector<ProcessFacts>> TreeScanner::members(TreeKey key) {
  const auto table = co_await scan();
  co_return tree_members(*table, key);
}

}  // namespace dixis
