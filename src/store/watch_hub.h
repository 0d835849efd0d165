// WatchHub: one thread that carries committed events to who watches. Watchers that ask for the
// same prefix share one channel; an event looks up the few prefixes that its key can match
// ("", "/pods/", "/pods/default/", the key), so a thousand watchers of other things cost nothing,
// and the watchers of one channel are given the same events, copied once.
//
// A slow sink would hold up all others, so a sink may not block (store.h). Should the hub fall
// behind all the same, the writer waits for it: memory stays bounded.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "store/store.h"

namespace orch::store {

// Who watches what. Outlives the hub as long as a Watch lives.
struct Channels;

class WatchHub {
 public:
  WatchHub();
  ~WatchHub();  // Ends the thread; what was not delivered yet is dropped.

  // From the writer's thread, before it applies: waits while too much is undelivered.
  void wait_for_room();
  // In the order of revisions. Quick: it only queues. `revision` is the last event's.
  void publish(const std::vector<Event>& events, int64_t revision);

  // The same thread: returns when all that was published has been told.
  void drain();
  // After drain(): another state, at `revision`, takes the place of this one, with `differences`
  // between them. Each watch that there is hears what it asked for (WhenReplaced).
  void replace(std::vector<Event> differences, int64_t revision);

  // `missed` are the events in (from_revision, joined_at]; live ones follow from joined_at on. The
  // caller sees to it that no publish() comes between the look at the history and this call.
  std::unique_ptr<Watch> add(std::string_view prefix, int64_t from_revision, int64_t joined_at,
                             std::vector<Event> missed, Sink sink, WhenReplaced when);

 private:
  void run();

  const std::shared_ptr<Channels> channels_;
  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::vector<Event> pending_;
  int64_t published_ = 0, telling_to_ = 0;  // The last event's revision; that of this turn's last.
  std::vector<std::shared_ptr<Watcher>> joining_;   // Have missed events to be told first.
  std::vector<std::shared_ptr<Watcher>> replaced_;  // Have to hear of another state.
  std::vector<Event> differences_;                  // From theirs to it.
  bool telling_ = false;
  bool closed_ = false;
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::store
