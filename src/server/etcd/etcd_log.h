// EtcdLog: the store's log where an etcd cluster keeps the state. A write is one transaction there,
// and many are under way at once; but what a write did here is what the watch brings back, in
// etcd's order, like everybody else's writes. So several servers may work on one etcd.
//
// - A write is answered when the watch has come by its revision: what it did is visible then, and a
//   write that lost is answered when what it lost against is visible.
// - A consistent read asks etcd for its newest revision and waits for the watch to come by.
// - A watch that breaks goes on where it was, at the next server. When etcd has forgotten that
//   place, the whole state is read anew. While no server answers, writes and consistent
//   reads are refused (503).
//
// Threads: one that watches (the log's thread, in store/log.h's words); up to kMaxCalls that call,
// made when there is work; one of Lead.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/task_pool.h"
#include "server/etcd/gateway.h"
#include "server/etcd/lead.h"
#include "server/etcd/wire.h"
#include "store/engine.h"

namespace orch::etcd {

class EtcdLog final : public store::Log {
 public:
  // Reads the whole state into the mirror. Blocking; fails when no server answers.
  // Both gateways outlive the log; `lead_gateway` is the Lead's own, which must not wait long.
  static Result<std::unique_ptr<EtcdLog>> start(Gateway& gateway, Gateway& lead_gateway,
                                                std::unique_ptr<store::Mirror> mirror,
                                                const store::Options& options,
                                                const LeadOptions& lead);
  ~EtcdLog() override { close(); }

  void propose(store::Proposal proposal, WhenFull when_full) override;
  void close() override;
  void sync(std::function<void(Result<void>)> done) override;
  store::Leadership leadership() const override { return lead_.leadership(); }
  void on_leadership(std::function<void(const store::Leadership&)> tell) override {
    lead_.on_leadership(std::move(tell));
  }
  std::optional<store::Health> health() const override { return health_; }

 private:
  using SyncDone = std::function<void(Result<void>)>;
  // Called once, without a lock: with nothing when the watch has come by, else why it won't.
  using Passed = std::function<void(const Status* failed)>;
  struct Pending {
    store::Proposal proposal;
    size_t bytes = 0;
    std::vector<store::Committed> seen;  // What the watch has brought of its key meanwhile.
  };

  EtcdLog(Gateway& gateway, Gateway& lead_gateway, std::unique_ptr<store::Mirror> mirror,
          const store::Options& options, const LeadOptions& lead);

  void reseal();
  // On threads of the pool.
  void write(const std::shared_ptr<Pending>& pending);
  void ask_revision();

  Result<store::Committed> outcome(const Pending& pending, int64_t revision);
  void finish(const std::shared_ptr<Pending>& pending, Result<store::Committed> result);
  void when_passed(int64_t revision, Passed passed);
  void pass(int64_t revision);
  void give_up(const Status& why);

  // The watching thread.
  void run();
  Result<void> read_all();
  Result<void> follow();
  Result<void> take(std::string_view line);
  Result<void> check_not_restored();
  Result<void> take_changes(Seen seen);
  bool rest(int failures);
  bool has_room() const;

  Gateway& gateway_;
  const std::unique_ptr<store::Mirror> mirror_;
  const size_t max_writes_, max_bytes_;

  mutable std::mutex mutex_;
  std::condition_variable room_, idle_, closing_;
  bool closed_ = false;
  size_t writes_ = 0, bytes_ = 0;  // Of writes that are not answered yet.
  std::multimap<std::string, std::shared_ptr<Pending>> by_key_;
  std::multimap<int64_t, Passed> waiting_;
  std::vector<SyncDone> readers_;  // Whose question is not under way yet.
  std::atomic<int64_t> passed_{0};
  std::atomic<store::Health> health_{store::Health::good};
  int tries_ = 0;  // Since the watch last ran. The watching thread's.

  Lead lead_;
  TaskPool pool_{kMaxCalls};
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::etcd
