// Lead: which of the servers on one etcd leads. Whoever makes the leader's key does; a lease holds
// the key, which etcd removes when the lease isn't kept alive. The term is the revision that made
// the key, so a write can be bound to it (store::Write::only_in_term).
//
// What the key is, the watch tells, in the order of all changes; so a leader never hears late that
// it isn't one, and if the watch is away it steps back when its lease may have run out.
// The leader also compacts etcd: what was five minutes ago is all that it need remember.
//
// One thread: asleep while another server leads, else awake to keep the lease alive.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "server/etcd/gateway.h"
#include "server/etcd/wire.h"
#include "store/replication.h"

namespace orch::etcd {

struct LeadOptions {
  uint64_t server = 0;  // Not 0; another for each life of each server.
  std::chrono::seconds lease{6};
  std::chrono::milliseconds compaction{300'000};  // As kube-apiserver does; 0: never.
  Clock* clock = &system_clock();
};

class Lead {
 public:
  // `passed` is the revision that this server has come to.
  Lead(Gateway& gateway, const LeadOptions& options, std::function<int64_t()> passed);
  ~Lead() { close(); }

  void start();
  // Gives the lease back, so that another leads at once. Idempotent.
  void close();

  // What became of the key. The watching thread.
  void take(const Leader& leader);

  store::Leadership leadership() const;
  // As in Store.
  void on_leadership(std::function<void(const store::Leadership&)> tell);

 private:
  void run();
  // Each returns how long it may take until the next look.
  std::chrono::milliseconds look(const Leader& leader);
  std::chrono::milliseconds campaign();
  std::chrono::milliseconds keep_alive();
  Result<void> renew_lease();
  void note_lease(const Lease& lease, MonoTime asked);
  store::Leadership leadership_now() const;  // Under the lock.
  void compact();
  void judge();
  bool is_ours(const Leader& leader) const { return leader.term != 0 && leader.value == name_; }

  Gateway& gateway_;
  const LeadOptions options_;
  const std::function<int64_t()> passed_;
  const std::string name_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  Leader leader_;
  MonoTime alive_until_{};  // Until then etcd keeps our lease for sure.

  std::mutex telling_;  // Around each call of tell_, so that they come in order.
  std::function<void(const store::Leadership&)> tell_;
  store::Leadership told_{.term = 0, .leader = 0, .ours = false};

  // The thread's.
  int64_t lease_ = 0;
  MonoTime compact_at_{};
  int64_t compact_to_ = 0;
  std::thread thread_;
};

}  // namespace orch::etcd
