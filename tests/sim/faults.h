// Faults: what goes wrong, of every kind and at any moment, until it ends and heals.
#pragma once

#include "operator.h"

namespace orch::sim {

class Faults {
 public:
  Faults(Cluster& cluster, Operator& the_operator)
      : cluster_(cluster), world_(cluster.world), operator_(the_operator) {}

  void begin() { next(); }
  void end();  // All that can heal heals.
  size_t crashes() const { return crashes_; }
  size_t flips() const { return flips_; }
  size_t full_disks() const { return full_disks_; }

 private:
  void next();
  void inject();
  Server* any_server();  // Null when it happens to be one that is gone.
  void crash(Server& server, bool power);
  void stop_somebody(uint64_t how);
  void break_network(uint64_t how);
  void isolate_leader();
  void break_disk(Server& server, uint64_t how);
  void flip_bits(Server& server);
  void start_later(Server& server, uint64_t ms);

  Cluster& cluster_;
  World& world_;
  Operator& operator_;
  bool ended_ = false;
  size_t crashes_ = 0, flips_ = 0, full_disks_ = 0;
};

}  // namespace orch::sim
