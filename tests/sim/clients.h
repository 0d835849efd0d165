// Clients: each asks any server for a write or a read, and the next when it has its answer or has
// lost its patience. What they ask and hear goes into the history.
#pragma once

#include "server.h"

namespace orch::sim {

class Clients {
 public:
  explicit Clients(Cluster& cluster)
      : cluster_(cluster), world_(cluster.world), history_(cluster.history) {}

  void begin();
  void end() { ended_ = true; }  // No new questions.
  size_t open() const { return open_; }
  size_t done() const { return done_; }

 private:
  void next();
  void ask();
  void ask_write(Server& server, size_t at, const std::function<void()>& go_on);
  void ask_read(Server& server, size_t at, const std::function<void()>& go_on);
  Operation make_operation(Server& server, size_t at);
  void say(size_t at, const std::string& what) const;

  Cluster& cluster_;
  World& world_;
  History& history_;
  bool ended_ = false;
  size_t open_ = 0, done_ = 0;
};

}  // namespace orch::sim
