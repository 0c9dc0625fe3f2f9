#include "daemon/run/tree_scanner.hpp"

#include <algorithm>
#include <utility>

#include "daemon/sys/cgroup.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPortion = 16;

/// What one caller wants to know.
struct Question {
  TreeKey key{};
  std::string prefix{};  ///< instead of the key, where it isn't empty
};

using Answers = std::vector<std::vector<ProcessFacts>>;

/// Those that got away from mark, session and descent are in the cgroup still.
void add_cgroup(const TreeKey& key, std::vector<ProcessFacts>& members) {
  if (key.cgroup.empty()) return;
  for (const pid_t pid : cgroup_processes(key.cgroup)) {
    const bool known = std::any_of(members.begin(), members.end(),
                                   [&](const ProcessFacts& one) { return one.pid == pid; });
    auto facts = known ? std::nullopt : read_process(pid, false);
    if (facts && facts->state != 'Z' && facts->state != 'X') members.push_back(std::move(*facts));
  }
}

/// Worker only.
Answers look_up(const std::vector<Question>& questions) {
  const ProcessIndex index(read_process_table(true));
  Answers answers;
  answers.reserve(questions.size());
  for (const auto& question : questions) {
    answers.push_back(question.prefix.empty() ? index.members(question.key)
                                              : index.marked(question.prefix));
    add_cgroup(question.key, answers.back());
  }
  return answers;
}

}  // namespace

struct TreeScanner::Impl {
  explicit Impl(Worker& w) : worker(w) {}

  /// A caller that waits.
  struct Call {
    Question question{};
    std::vector<ProcessFacts> found{};
    bool answered = false;
    Notifier answer{};
  };

  Worker& worker;
  std::vector<std::shared_ptr<Call>> waiting;
  bool running = false;

  static Task<void> run(std::shared_ptr<Impl> self) {
    while (!self->waiting.empty()) {
      // Those who come from now on get the next look: this one may have passed their process.
      const auto calls = std::exchange(self->waiting, {});
      std::vector<Question> questions;
      questions.reserve(calls.size());
      for (const auto& call : calls) questions.push_back(call->question);
      auto work = [asked = std::move(questions)] { return look_up(asked); };
      auto answers = co_await self->worker.run(std::move(work));
      for (std::size_t i = 0; i < calls.size(); ++i) {
        calls[i]->found = std::move(answers[i]);
        calls[i]->answered = true;
        calls[i]->answer.notify_all();
        // Each of them has something to do now; the loop's clients get their turn in between.
        if (i % kPortion == kPortion - 1) co_await asio::post(asio::use_awaitable);
      }
    }
    self->running = false;
  }

  static Task<std::vector<ProcessFacts>> ask(std::shared_ptr<Impl> self, Question question) {
    const auto call = std::make_shared<Call>();
    call->question = std::move(question);
    self->waiting.push_back(call);
    if (!std::exchange(self->running, true)) {
      const auto executor = co_await asio::this_coro::executor;
      asio::co_spawn(executor, run(self), asio::detached);
    }
    while (!call->answered) co_await call->answer.wait();
    co_return std::move(call->found);
  }
};

TreeScanner::TreeScanner(Worker& worker) : impl_(std::make_shared<Impl>(worker)) {}
TreeScanner::~TreeScanner() = default;

Task<std::vector<ProcessFacts>> TreeScanner::members(TreeKey key) {
  Question question;
  question.key = std::move(key);
  co_return co_await Impl::ask(impl_, std::move(question));
}

Task<std::vector<ProcessFacts>> TreeScanner::marked(std::string prefix) {
  Question question;
  question.prefix = std::move(prefix);
  co_return co_await Impl::ask(impl_, std::move(question));
}

}  // namespace dixis
