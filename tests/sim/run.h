// Run: one seed, from the first server's start to the checks at the end.
#pragma once

#include "clients.h"
#include "faults.h"

namespace orch::sim {

struct Counts {
  size_t operations = 0, done = 0, crashes = 0, changes = 0, replaced = 0, flips = 0,
         full_disks = 0;

  Counts& operator+=(const Counts& other);
};

class Run {
 public:
  Run(uint64_t seed, Canary canary, bool tells, const std::string& folder);
  ~Run();

  std::string run();  // What was wrong; "" when nothing.
  Counts counts() const;

 private:
  bool is_well();
  void finish();
  void compare_members();

  World world_;
  History history_;
  Cluster cluster_;
  Clients clients_;
  Operator operator_;
  Faults faults_;
};

}  // namespace orch::sim
