#include "daemon/run/verb_lane.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio.hpp>
#include <catch2/catch.hpp>

using namespace dixis;
namespace asio = boost::asio;

namespace {

/// Runs verbs in one lane on a loop that only turns when told: `settle` lets all go on that can.
class Lane {
 public:
  /// Asks for a verb. Its body ends when it is let go, or is superseded.
  void ask(const std::string& name, VerbKind kind, bool joinable = true) {
    VerbLane::Body body = [this, name](VerbTicket ticket) { return run(name, std::move(ticket)); };
    VerbLane::Superseded superseded = [](const std::string& by) {
      Outcome out;
      out.message = "not begun: " + by;
      return out;
    };
    std::function<void()> wake = [this] { woken_.notify_all(); };
    auto verb = lane_.run(kind, joinable, std::move(body), std::move(superseded), std::move(wake));
    asio::co_spawn(loop_, std::move(verb), [this, name](std::exception_ptr error, Outcome outcome) {
      if (error) std::rethrow_exception(error);
      answers[name] = outcome.message;
    });
    settle();
  }

  void let_go(const std::string& name) {
    let_go_.push_back(name);
    woken_.notify_all();
    settle();
  }

  std::size_t length() const { return lane_.length(); }

  std::vector<std::string> begun{};
  std::map<std::string, std::string> answers{};

 private:
  Task<Outcome> run(std::string name, VerbTicket ticket) {
    begun.push_back(name);
    const auto gone = [&] {
      return std::find(let_go_.begin(), let_go_.end(), name) != let_go_.end();
    };
    while (!gone() && ticket->superseded.empty()) co_await woken_.wait();
    Outcome out;
    out.message =
        ticket->superseded.empty() ? name + " done" : name + " ended by " + ticket->superseded;
    co_return out;
  }

  void settle() {
    loop_.restart();
    loop_.poll();
  }

  VerbLane lane_;
  Notifier woken_;
  std::vector<std::string> let_go_;
  asio::io_context loop_;  // last: its coroutines go before what they wait for
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("verbs on one slot run one after the other", "[run][lane]") {
  Lane lane;
  lane.ask("stop", VerbKind::stop);
  lane.ask("start", VerbKind::start);
  lane.ask("restart", VerbKind::restart);
  CHECK(lane.begun == Names{"stop"});
  CHECK(lane.length() == 3);
  lane.let_go("stop");
  CHECK(lane.begun == Names{"stop", "start"});
  CHECK(lane.answers.at("stop") == "stop done");
  lane.let_go("start");
  CHECK(lane.begun == Names{"stop", "start", "restart"});
  lane.let_go("restart");
  CHECK(lane.length() == 0);
  CHECK(lane.answers.size() == 3);
}

TEST_CASE("a start joins the start that runs, a stop the stop", "[run][lane]") {
  const auto kind = GENERATE(VerbKind::start, VerbKind::stop);
  Lane lane;
  lane.ask("first", kind);
  lane.ask("second", kind);
  CHECK(lane.length() == 1);
  CHECK(lane.answers.empty());
  lane.let_go("first");
  CHECK(lane.begun == Names{"first"});
  CHECK(lane.answers.at("second") == "first done");
}

TEST_CASE("a restart joins one that waits, not one that runs", "[run][lane]") {
  Lane lane;
  lane.ask("first", VerbKind::restart);
  lane.ask("second", VerbKind::restart);
  lane.ask("third", VerbKind::restart);
  CHECK(lane.length() == 2);
  lane.let_go("first");
  CHECK(lane.begun == Names{"first", "second"});
  lane.let_go("second");
  CHECK(lane.answers.at("third") == "second done");
}

TEST_CASE("a verb that differs from its like is not joined to it", "[run][lane]") {
  Lane lane;
  lane.ask("first", VerbKind::stop);
  lane.ask("second", VerbKind::restart);
  lane.ask("other", VerbKind::restart, false);
  lane.let_go("first");
  lane.let_go("second");
  CHECK(lane.begun == Names{"first", "second", "other"});
}

TEST_CASE("a stop ends the start that runs and those that wait", "[run][lane]") {
  Lane lane;
  lane.ask("start", VerbKind::start);
  lane.ask("restart", VerbKind::restart);
  lane.ask("stop", VerbKind::stop);
  CHECK(lane.answers.at("start") == "start ended by a stop");
  CHECK(lane.answers.at("restart") == "not begun: a stop");
  CHECK(lane.begun == Names{"start", "stop"});
  lane.let_go("stop");
  CHECK(lane.answers.at("stop") == "stop done");
  CHECK(lane.length() == 0);
}

TEST_CASE("a stop ends no stop", "[run][lane]") {
  Lane lane;
  lane.ask("stop", VerbKind::stop);
  lane.ask("restart", VerbKind::restart);
  lane.ask("stop again", VerbKind::stop);
  CHECK(lane.begun == Names{"stop"});
  lane.let_go("stop");
  CHECK(lane.answers.at("stop") == "stop done");
  CHECK(lane.answers.at("restart") == "not begun: a stop");
  lane.let_go("stop again");
  CHECK(lane.answers.at("stop again") == "stop again done");
}

TEST_CASE("what comes after a stop is not superseded by it", "[run][lane]") {
  Lane lane;
  lane.ask("start", VerbKind::start);
  lane.ask("stop", VerbKind::stop);
  lane.ask("start again", VerbKind::start);
  lane.let_go("stop");
  CHECK(lane.begun == Names{"start", "stop", "start again"});
  lane.let_go("start again");
  CHECK(lane.answers.at("start again") == "start again done");
}

TEST_CASE("fifty of each in a row all get an answer", "[run][lane]") {
  Lane lane;
  const auto kind = GENERATE(VerbKind::start, VerbKind::stop, VerbKind::restart);
  lane.ask("0", kind);
  for (int i = 1; i < 50; ++i) lane.ask(std::to_string(i), kind);
  CHECK(lane.length() <= 2);
  for (int i = 0; i < 50; ++i) lane.let_go(std::to_string(i));
  CHECK(lane.answers.size() == 50);
  CHECK(lane.length() == 0);
}
