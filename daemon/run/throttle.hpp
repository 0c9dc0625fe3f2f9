#pragma once

#include <cstddef>

#include "daemon/run/notifier.hpp"

namespace dixis {

/// Lets at most so many coroutines through at a time, so that a thousand starts leave the loop room
/// for its clients. Lives on the loop's thread.
class Throttle {
 public:
  explicit Throttle(std::size_t places) : free_(places) {}

  /// A place; given back by the destructor.
  class Place {
   public:
    explicit Place(Throttle& throttle) : throttle_(&throttle) {}
    Place(Place&& other) noexcept : throttle_(std::exchange(other.throttle_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (throttle_ == nullptr) return;
      ++throttle_->free_;
      throttle_->freed_.notify_one();
    }

   private:
    Throttle* throttle_;
  };

  Task<Place> enter() {
    while (free_ == 0) co_await freed_.wait();
    --free_;
    co_return Place(*this);
  }

 private:
  std::size_t free_;
  Notifier freed_;
};

}  // namespace dixis
