// KubeletServer: the node's HTTPS endpoint, which the API server calls for logs, exec, attach,
// port-forward and the proxies of pods and services; and, through nodes/proxy, whoever may see a
// node's statistics (/stats/summary, /metrics…), its configuration (/configz) and its /var/log.
//
// Only callers with a certificate of the cluster's CA in the name of the API server, or of
// system:masters, are answered; there is nothing for anybody else. Requests that wait (logs,
// streams) have a thread each while they last.
#pragma once

#include <memory>
#include <string>

#include "agent/pods/node_stats.h"
#include "agent/pods/pods.h"
#include "base/clock.h"
#include "base/task_pool.h"
#include "http/forwarder.h"
#include "http/server.h"

namespace orch::pods {

struct KubeletServerOptions {
  std::string bind_address = "0.0.0.0";
  uint16_t port = 10250;
  std::string certificate, private_key, client_ca;  // PEM.
  std::string node_log_dir = "/var/log";            // What /logs/ shows.
};

class KubeletServer {
 public:
  static constexpr size_t kMaxLogStreams = 64;
  static constexpr size_t kMaxProxied = 64;

  static Result<std::unique_ptr<KubeletServer>> start(const KubeletServerOptions& options,
                                                      Pods& pods, Clock& clock);
  ~KubeletServer() { stop(); }
  uint16_t port() const { return server_->port(); }
  void stop();  // Ends all streams. Idempotent.

 private:
  KubeletServer(KubeletServerOptions options, Pods& pods, Clock& clock)
      : options_(std::move(options)), pods_(pods), clock_(clock) {}
  Result<std::shared_ptr<PodWorker>> find_pod(const std::string& ns, const std::string& name,
                                              const std::string& uid) const;
  void handle(const std::shared_ptr<http::Exchange>& exchange);
  void handle_logs(const std::shared_ptr<http::Exchange>& exchange, const std::string& rest,
                   const std::string& query);
  // False when the path is none of these: documents, statistics, the node's own log files.
  bool handle_page(const std::shared_ptr<http::Exchange>& exchange, const std::string& path);
  void handle_node_log(const std::shared_ptr<http::Exchange>& exchange, const std::string& rest);
  NodeUsage usage() const;
  void handle_session(const std::shared_ptr<http::Exchange>& exchange, const std::string& rest,
                      const std::string& query, bool attach);
  void handle_port_forward(const std::shared_ptr<http::Exchange>& exchange, const std::string& rest,
                           const std::string& query);

  void handle_pod_proxy(const std::shared_ptr<http::Exchange>& exchange, const std::string& rest,
                        const std::string& query);

  const KubeletServerOptions options_;
  Pods& pods_;
  Clock& clock_;
  std::unique_ptr<http::Server> server_;
  TaskPool logs_{kMaxLogStreams};
  http::Forwarder proxied_{kMaxProxied};
};

// Whether this peer may call a node. Pure.
bool may_call_node(const http::Peer& peer);

}  // namespace orch::pods
