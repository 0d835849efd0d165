#include "api/pod_references.h"

namespace orch::api {
namespace {

void add(const Value& name, std::set<std::string>* names) {
  if (!name.empty()) names->insert(name.as_string());
}

void add_environment(const Value& container, PodReferences* all) {
  for (const Value& source : container["envFrom"].items()) {
    add(source["secretRef"]["name"], &all->secrets);
    add(source["configMapRef"]["name"], &all->config_maps);
  }
  for (const Value& variable : container["env"].items()) {
    const Value& from = variable["valueFrom"];
    add(from["secretKeyRef"]["name"], &all->secrets);
    add(from["configMapKeyRef"]["name"], &all->config_maps);
  }
}

void add_volume(const std::string& pod, const Value& volume, PodReferences* all) {
  add(volume["secret"]["secretName"], &all->secrets);
  add(volume["configMap"]["name"], &all->config_maps);
  for (const Value& source : volume["projected"]["sources"].items()) {
    add(source["secret"]["name"], &all->secrets);
    add(source["configMap"]["name"], &all->config_maps);
  }
  add(volume["persistentVolumeClaim"]["claimName"], &all->claims);
  if (!volume["ephemeral"].is_null()) {
    all->claims.insert(pod + "-" + volume["name"].as_string());
  }
  add(volume["azureFile"]["secretName"], &all->secrets);
  add(volume["csi"]["nodePublishSecretRef"]["name"], &all->secrets);
  for (const char* kind :
       {"cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"}) {
    add(volume[kind]["secretRef"]["name"], &all->secrets);
  }
}

}  // namespace

PodReferences pod_references(const Value& pod) {
  PodReferences all;
  const Value& spec = pod["spec"];
  all.service_account = spec["serviceAccountName"].as_string();
  for (const Value& secret : spec["imagePullSecrets"].items()) add(secret["name"], &all.secrets);
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const Value& container : spec[list].items()) add_environment(container, &all);
  }
  for (const Value& volume : spec["volumes"].items()) {
    add_volume(pod["metadata"]["name"].as_string(), volume, &all);
  }
  return all;
}

}  // namespace orch::api
