// Leading: the work that one server of several does for all of them, while it leads: controllers,
// the scheduler, who is listed as a server. A single server leads always, in term 0; the work is
// begun anew when it becomes one of several.
//
// Work begins when this server leads and has seen all that earlier leaders did; it ends when this
// server leads no longer. Between the two another server may begin already: what the old leader's
// work still writes is refused, for every write of it bears the term in which it began
// (store::Write::only_in_term).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "store/store.h"

namespace orch::apiserver {

class Leading {
 public:
  static constexpr std::chrono::seconds kRetry{1};  // When nobody could say what is newest.

  // What works during one term; its destructor ends it, and waits for that.
  class Work {
   public:
    virtual ~Work() = default;
  };
  // Called on this object's thread. Null: there is nothing to do in that term.
  using Begin = std::function<std::unique_ptr<Work>(uint64_t term)>;

  explicit Leading(store::Store& store) : store_(store) {}
  ~Leading() { stop(); }

  // Begins follow each other in the order in which they were added, ends the other way round. What
  // is added while this server leads begins soon. Any thread.
  void add(Begin begin);
  // Follows the store's leadership from here on. Once.
  void start();
  // Ends the work and the thread. Idempotent.
  void stop();

  // The term in which this server leads, as far as it knows.
  std::optional<uint64_t> term() const;

 private:
  void on_leadership(const store::Leadership& leadership);
  void run();
  bool catch_up(std::unique_lock<std::mutex>& lock, uint64_t term);
  void work(std::unique_lock<std::mutex>& lock, uint64_t term);

  store::Store& store_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::vector<Begin> begins_;
  std::optional<uint64_t> term_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace orch::apiserver
