// streams: pods/log, exec, attach and portforward, carried to the agent of the pod's node. The API
// server looks up where the pod runs, dials that agent with its own client certificate, and moves
// bytes; what they mean (CRI log lines, WebSocket channels, SPDY) is between kubectl and the agent.
//
// Threads: a log has a thread of its own (a job of the pool) while it lasts, an upgraded connection
// the one that http gives it. Both end with either side.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/result.h"
#include "base/task_pool.h"
#include "http/client.h"
#include "http/http.h"
#include "server/apiserver/route.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr size_t kMaxLogStreams = 64;
inline constexpr size_t kMaxDials = 8;  // Upgrades that wait for an agent's answer.
// A follower that reads slower than its log grows is waited for at this backlog, never cut off.
inline constexpr size_t kLogBacklogBytes = 1u << 20;

class Streams {
 public:
  // How the server proves to agents who it is.
  struct Credentials {
    std::string ca, certificate, private_key;
  };
  Streams(const store::Store& store, Credentials credentials)
      : store_(store), credentials_(std::move(credentials)) {}
  ~Streams() { stop(); }

  // Answers the exchange, later. A Status means that it was not answered yet.
  Result<void> serve(const std::shared_ptr<http::Exchange>& exchange, const Target& target);
  // Ends the logs under way and waits for them.
  void stop();

 private:
  struct LogPump;
  using ExchangePtr = std::shared_ptr<http::Exchange>;

  Result<std::unique_ptr<http::Client>> dial(const std::string& node) const;
  // On a pool's thread; answer the exchange.
  Result<void> run_log(const ExchangePtr& exchange, const std::string& node,
                       const std::string& upstream);
  Result<void> run_upgrade(const ExchangePtr& exchange, const std::string& node,
                           const std::string& upstream) const;
  void copy_log(LogPump& pump);

  const store::Store& store_;
  const Credentials credentials_;
  std::mutex mutex_;
  std::set<std::shared_ptr<LogPump>> pumps_;
  bool stopped_ = false;
  TaskPool logs_{kMaxLogStreams};
  TaskPool dials_{kMaxDials};
};

}  // namespace orch::apiserver
