// Faults: lets a test fail the n-th step of a creation, to prove that every undo works. Production
// passes none: step() is then a null check.
#pragma once

#include <string_view>

#include "base/result.h"

namespace orch::runtime {

class Faults {
 public:
  // Steps are counted from 1; 0 never fails.
  explicit Faults(int fail_at) : fail_at_(fail_at) {}

  Result<void> step(std::string_view name) {
    if (++count_ == fail_at_)
      return internal_error("injected fault at step \"" + std::string(name) + "\"");
    return {};
  }
  bool fired() const { return fail_at_ > 0 && count_ >= fail_at_; }

 private:
  int fail_at_;
  int count_ = 0;
};

inline Result<void> fault_step(Faults* faults, std::string_view name) {
  return faults == nullptr ? Result<void>() : faults->step(name);
}

}  // namespace orch::runtime
