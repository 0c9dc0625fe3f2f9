#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/run/handover.hpp"
#include "daemon/sys/keeper.hpp"

namespace dixis {

/// The environment of this process without what was meant for its start alone: for an image that
/// takes its place. To be taken before anything takes variables out of it.
std::vector<std::string> environment_for_successor();

/// What a keeper holds, as a hand-over names it.
std::vector<HandedDescriptor> handed_descriptors(const Keeper& keeper);

/// Gives all that the hand-over names to the program `image`, in place of this one. Returns only if
/// that failed, with nothing changed.
Error hand_over(int image, const Handover& handover, const std::vector<std::string>& argv,
                std::vector<std::string> environment);

/// The answer of a candidate that is asked whether it could take over (--probe-handover), and the
/// version in it; nullopt: it is no such answer.
std::string candidate_answer(std::string_view version);
std::optional<std::string> candidate_version(std::string_view answer);

/// What this process got from the image whose place it took. Until it serves, nothing of that is
/// closed, so that the old image can be gone back to. Before the loop runs, and on its thread.
class Succession {
 public:
  /// nullopt: nobody handed over. A hand-over that can't be understood is reported, and what it
  /// meant is closed: then this is a start as after a crash.
  static std::optional<Succession> take(std::vector<std::string> environment);

  /// Copies of what was handed over; invalid where it is missing.
  UniqueFd lock() const;
  UniqueFd control() const;
  bool control_is_ours() const { return handover_.control_is_ours; }
  std::vector<NamedFd> kept(bool stored) const;

  const std::string& from() const { return handover_.from; }
  /// Not empty: this is the old image again, since its successor gave up. Why.
  const std::string& failure() const { return failure_; }

  /// Replaces this process by the old image, which will tell the client why. Returns if there is no
  /// going back: this is the old image, or exec failed.
  void go_back(const std::string& why, const std::vector<std::string>& argv) const;

  /// It serves: closes what was only needed to go back, and gives the client that waits for the
  /// upgrade's reply; invalid if there is none.
  UniqueFd commit();

 private:
  Handover handover_{};
  UniqueFd document_{};
  std::string failure_{};
  std::vector<std::string> environment_{};
};

}  // namespace dixis
