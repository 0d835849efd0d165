// watch: one WATCH request is one WatchSession: the store's events, selected and framed around the
// stored bytes (watch_frames.h), written to a stream until somebody ends it. Nobody waits for a
// slow watcher: the stream cuts it off.
//
// Threads: begun on an I/O thread, fed by the store's hub, ended by the peer (I/O thread), by its
// timeout (timer thread) or by stop().
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "base/timers.h"
#include "http/http.h"
#include "server/apiserver/metrics.h"
#include "server/apiserver/options.h"
#include "server/apiserver/present.h"
#include "server/apiserver/route.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr size_t kMaxWatches = 10'000;
// What may wait for a slow watcher beyond the state that it asked for at first.
inline constexpr size_t kWatchBacklogBytes = 8u << 20;
inline constexpr int64_t kBookmarkEveryS = 60;
inline constexpr size_t kKeptFrames = 64;  // Places of those who left, before they are swept.
// Without timeoutSeconds: a random time between this and twice this.
inline constexpr int64_t kMinWatchS = 1800;
inline constexpr int64_t kMaxWatchS = 100 * 365 * 86'400ll;

class WatchFrames;
class WatchSession;

class WatchServer {
 public:
  WatchServer(store::Store& store, Clock& clock, Random& random, Timers& timers,
              WatchMetrics& metrics);
  ~WatchServer();  // stop()s.

  // Answers the exchange. A Status means that it was not answered yet.
  Result<void> serve(http::Exchange& exchange, const Target& target, const ReadOptions& options,
                     const Presentation& form);
  // Ends every watch in good order and refuses new ones.
  void stop();

 private:
  Result<std::shared_ptr<WatchFrames>> frames_of(const Target& target, const ReadOptions& options,
                                                 const Presentation& form);
  std::shared_ptr<http::Stream> open_stream(http::Exchange& exchange, const Media& media,
                                            size_t backlog_bytes, uint64_t id);
  Result<uint64_t> admit(std::shared_ptr<WatchSession> session);
  void end(uint64_t id);
  void set_timers(uint64_t id, const std::shared_ptr<WatchSession>& session,
                  const ReadOptions& options);
  void set_bookmark(uint64_t id, std::weak_ptr<WatchSession> session);

  store::Store& store_;
  Clock& clock_;
  Random& random_;
  Timers& timers_;
  WatchMetrics& metrics_;
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<WatchSession>> sessions_;
  // What is asked, by whom it may be shared: prefix, selectors and form.
  using FramesKey = std::tuple<const api::Resource*, std::string, std::string, std::string,
                               Media::Form, Media::Encoding, std::string>;
  std::map<FramesKey, std::weak_ptr<WatchFrames>> frames_;
  uint64_t next_id_ = 1;
  bool stopped_ = false;
};

}  // namespace orch::apiserver
