// NodeContext: what every pod's worker works with. Made once by Pods, outlives all workers.
#pragma once

#include <functional>
#include <string>

#include "agent/images/images.h"
#include "agent/pods/pod_network.h"
#include "agent/probes/prober.h"
#include "agent/runtime/runtime.h"
#include "agent/volumes/volumes.h"
#include "base/clock.h"
#include "base/task_pool.h"
#include "client/api.h"
#include "client/event_recorder.h"

namespace orch::pods {

struct NodeFacts {
  std::string node_name;
  std::string node_ip;
  std::string cluster_domain = "cluster.local";
  std::string cluster_dns;  // "" = pods use the node's own resolvers.
  std::string resolv_conf_path = "/etc/resolv.conf";
  std::string data_dir;  // Records in <data_dir>/records, pods' folders in <data_dir>/pods.
  std::string log_dir = "/var/log/pods";
  int64_t cpu_milli = 0;  // Allocatable.
  int64_t memory_bytes = 0;
};

struct NodeContext {
  runtime::Runtime& runtime;
  images::Images& images;
  volumes::Volumes& volumes;
  PodNetwork& network;
  client::Api& api;
  const client::Cache& cache;
  client::EventSink& events;
  Clock& clock;
  const NodeFacts& facts;
  probes::Prober& prober;
  TaskPool& jobs;                                    // Pulls and hooks: may block for minutes.
  std::function<void(const std::string& uid)> wake;  // Synchronise that pod soon.
  std::function<bool()> is_stopping;
  int stop_fd = -1;  // Readable when the node's part stops: pulls, hooks and probes give up.
};

}  // namespace orch::pods
