#include "daemon/serve/event_fields.hpp"

#include <algorithm>
#include <optional>

#include <catch2/catch.hpp>

namespace {

std::optional<std::string> field(const dixis::Event& event, std::string_view name) {
  const auto fields = dixis::journal_fields(event);
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const auto& one) { return one.name == name; });
  if (found == fields.end()) return std::nullopt;
  return found->value;
}

}  // namespace

TEST_CASE("An event's fields say what it is about", "[journal]") {
  dixis::Event event{.type = "death", .app = "web", .instance = 1, .generation = 3, .pid = 4711};
  event.state = dixis::State::online;
  event.death = dixis::Death{};
  event.death->how = dixis::How::exited;
  event.death->cause = dixis::Cause::itself;
  event.death->code = 3;
  CHECK(field(event, "EVENT") == "death");
  CHECK(field(event, "APP") == "web");
  CHECK(field(event, "INSTANCE") == "1");
  CHECK(field(event, "GENERATION") == "3");
  CHECK(field(event, "OBJECT_PID") == "4711");
  CHECK(field(event, "HOW") == "exited");
  CHECK(field(event, "CAUSE") == "itself");
  CHECK(field(event, "EXIT_CODE") == "3");
  CHECK(field(event, "SIGNAL") == std::nullopt);
  CHECK(field(event, "MESSAGE_ID").value_or("").size() == 32);
}

TEST_CASE("A change of state is named after the new one", "[journal]") {
  dixis::Event event{.type = "state", .app = "web"};
  event.state = dixis::State::unhealthy;
  CHECK(field(event, "EVENT") == "unhealthy");
  CHECK(field(event, "MESSAGE_ID").has_value());
  event.state = dixis::State::stopping;
  CHECK(field(event, "EVENT") == "stopping");
  CHECK_FALSE(field(event, "MESSAGE_ID").has_value());
}
