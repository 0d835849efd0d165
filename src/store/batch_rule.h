// BatchRule: whether a log's writer takes what waits while the batch before is being settled. Where
// applying a batch takes longer than the disk does, it is applied meanwhile, so that both threads
// are busy: as soon as it is half as large as the one that is being settled, or many writers that
// wait for answers would part into a large batch and a tiny one. Where the disk takes longer, as an
// SD card does, as many as can be share a sync: a batch waits for all answers to the one before.
// PURE; the owner locks.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace orch::store {

class BatchRule {
 public:
  void applied(size_t writes, MonoTime::duration took) { apply_took_each_ = took / writes; }
  void settled(MonoTime::duration disk_took) { disk_took_ = disk_took; }

  bool takes(size_t waiting, size_t settling) const {
    if (waiting == 0 || settling == 0) return waiting > 0;
    const bool disk_is_slower = disk_took_ > apply_took_each_ * (waiting + settling);
    return !disk_is_slower && waiting * 2 >= settling;
  }

 private:
  MonoTime::duration disk_took_{}, apply_took_each_{};  // The last time.
};

}  // namespace orch::store
