#include "server/apiserver/node_graph.h"

#include <mutex>
#include <utility>

#include "api/pod_references.h"

namespace orch::apiserver {
namespace {

std::string key_of(std::string_view ns, std::string_view name) {
  return std::string(ns).append("/").append(name);
}

std::string reference(NodeGraph::Kind kind, std::string_view ns, std::string_view name) {
  constexpr std::string_view kLetters = "scpva";
  return std::string(1, kLetters[static_cast<size_t>(kind)]) + ":" + key_of(ns, name);
}

// A mirror pod is its node's own word: it opens nothing to it.
std::vector<std::string> references_of(const api::Value& pod) {
  std::vector<std::string> all;
  if (pod["metadata"]["annotations"].has(api::kMirrorAnnotation)) return all;
  const std::string& ns = pod["metadata"]["namespace"].as_string();
  const api::PodReferences names = api::pod_references(pod);
  using Kind = NodeGraph::Kind;
  for (const auto& name : names.secrets) all.push_back(reference(Kind::secret, ns, name));
  for (const auto& name : names.config_maps) all.push_back(reference(Kind::config_map, ns, name));
  for (const auto& name : names.claims) all.push_back(reference(Kind::claim, ns, name));
  if (!names.service_account.empty()) {
    all.push_back(reference(Kind::service_account, ns, names.service_account));
  }
  return all;
}

// Where a PersistentVolume's source names a Secret without a namespace, its claim's is meant.
std::vector<std::string> secrets_of(const api::Value& volume, const std::string& claim_ns) {
  std::vector<std::string> all;
  const auto add = [&](const api::Value& name, const api::Value& ns) {
    if (name.empty()) return;
    all.push_back(key_of(ns.empty() ? claim_ns : ns.as_string(), name.as_string()));
  };
  const api::Value& spec = volume["spec"];
  add(spec["azureFile"]["secretName"], spec["azureFile"]["secretNamespace"]);
  for (const char* kind :
       {"cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"}) {
    add(spec[kind]["secretRef"]["name"], spec[kind]["secretRef"]["namespace"]);
  }
  for (const char* use : {"nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"}) {
    add(spec["csi"][use]["name"], spec["csi"][use]["namespace"]);
  }
  return all;
}

}  // namespace

void NodeGraph::take_pod(const api::Value& pod) {
  const api::Value& metadata = pod["metadata"];
  std::string key = key_of(metadata["namespace"].as_string(), metadata["name"].as_string());
  Pod taken{pod["spec"]["nodeName"].as_string(), references_of(pod)};
  const std::unique_lock lock(mutex_);
  drop_pod(key);
  if (taken.node.empty()) return;
  add(taken.node, taken.references);
  pods_[std::move(key)] = std::move(taken);
}

void NodeGraph::forget_pod(std::string_view ns, std::string_view name) {
  const std::unique_lock lock(mutex_);
  drop_pod(key_of(ns, name));
}

void NodeGraph::take_volume(const api::Value& volume) {
  const std::string& name = volume["metadata"]["name"].as_string();
  const api::Value& claim = volume["spec"]["claimRef"];
  Volume taken;
  const std::string& ns = claim["namespace"].as_string();
  if (!claim["name"].empty()) taken.claim = key_of(ns, claim["name"].as_string());
  taken.secrets = secrets_of(volume, ns);
  const std::unique_lock lock(mutex_);
  drop_volume(name);
  for (const std::string& secret : taken.secrets) by_secret_[secret].insert(name);
  volumes_[name] = std::move(taken);
}

void NodeGraph::forget_volume(const std::string& name) {
  const std::unique_lock lock(mutex_);
  drop_volume(name);
}

std::string NodeGraph::node_of(std::string_view ns, std::string_view pod) const {
  const std::shared_lock lock(mutex_);
  const auto found = pods_.find(key_of(ns, pod));
  return found == pods_.end() ? "" : found->second.node;
}

bool NodeGraph::related(std::string_view node, Kind kind, std::string_view ns,
                        std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto mounts = [&](const std::string& volume) {
    const auto found = volumes_.find(volume);
    return found != volumes_.end() && !found->second.claim.empty() &&
           refers(node, "p:" + found->second.claim);
  };
  if (kind == Kind::volume) return mounts(std::string(name));
  if (refers(node, reference(kind, ns, name))) return true;
  if (kind != Kind::secret) return false;
  const auto volumes = by_secret_.find(key_of(ns, name));
  if (volumes == by_secret_.end()) return false;
  for (const std::string& volume : volumes->second) {
    if (mounts(volume)) return true;
  }
  return false;
}

bool NodeGraph::refers(std::string_view node, const std::string& reference) const {
  const auto nodes = referring_.find(reference);
  return nodes != referring_.end() && nodes->second.contains(node);
}

void NodeGraph::add(const std::string& node, const std::vector<std::string>& references) {
  for (const std::string& each : references) ++referring_[each][node];
}

void NodeGraph::drop(const std::string& node, const std::vector<std::string>& references) {
  for (const std::string& each : references) {
    const auto nodes = referring_.find(each);
    if (nodes == referring_.end()) continue;
    const auto count = nodes->second.find(node);
    if (count != nodes->second.end() && --count->second == 0) nodes->second.erase(count);
    if (nodes->second.empty()) referring_.erase(nodes);
  }
}

void NodeGraph::drop_pod(const std::string& key) {
  const auto found = pods_.find(key);
  if (found == pods_.end()) return;
  drop(found->second.node, found->second.references);
  pods_.erase(found);
}

void NodeGraph::drop_volume(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return;
  for (const std::string& secret : found->second.secrets) {
    const auto volumes = by_secret_.find(secret);
    if (volumes == by_secret_.end()) continue;
    volumes->second.erase(name);
    if (volumes->second.empty()) by_secret_.erase(volumes);
  }
  volumes_.erase(found);
}

}  // namespace orch::apiserver
