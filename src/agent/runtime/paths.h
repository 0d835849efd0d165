// Where things lie below state_dir; agent and shim agree on it here.
//
//   <state_dir>/runc/<container>/          runc's own state
//   <state_dir>/pods/<uid>/                one folder a pod
//     sandbox                              record: what was asked for
//     settings                             record: how its shim works (Settings)
//     shim.sock  shim.log                  the shim's socket and its stderr
//     ns/{net,ipc,uts,pid}                 namespaces, pinned by bind mounts
//     shm                                  tmpfs, the pod's /dev/shm
//     c/<container>/                       OCI bundle: config.json, runc.log, pid
//       container                          record: what was asked for
//       started  exit                      records, written once, atomically
#pragma once

#include <string>

namespace orch::runtime {

struct PodPaths {
  explicit PodPaths(std::string a_folder) : folder(std::move(a_folder)) {}

  std::string folder;  // <state_dir>/pods/<uid>

  std::string sandbox() const { return folder + "/sandbox"; }
  std::string settings() const { return folder + "/settings"; }
  std::string shim_log() const { return folder + "/shim.log"; }
  std::string namespaces() const { return folder + "/ns"; }
  std::string ns(const std::string& name) const { return folder + "/ns/" + name; }
  std::string shm() const { return folder + "/shm"; }
  std::string containers() const { return folder + "/c"; }
  std::string bundle(const std::string& id) const { return folder + "/c/" + id; }
  std::string config(const std::string& id) const { return bundle(id) + "/config.json"; }
  std::string container(const std::string& id) const { return bundle(id) + "/container"; }
  std::string started(const std::string& id) const { return bundle(id) + "/started"; }
  std::string exit(const std::string& id) const { return bundle(id) + "/exit"; }
};

inline constexpr const char* kShimSocket = "shim.sock";
inline constexpr const char* kConsoleSocket = "console.sock";

// The leaf of the pod's cgroup where the shim sits (v2 allows processes only in leaves).
inline std::string shim_cgroup(const std::string& cgroup_parent) { return cgroup_parent + "/shim"; }
inline std::string container_cgroup(const std::string& cgroup_parent, const std::string& id) {
  return cgroup_parent + "/" + id;
}

}  // namespace orch::runtime
