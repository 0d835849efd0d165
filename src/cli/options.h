// What the command line, the environment and the configuration file say, as values.
//
// Names and places follow k3s, which the hands of our users know. Precedence: command line, then
// ORCH_* in the environment, then the file, then the default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace orch::cli {

inline constexpr const char* kDefaultConfigFile = "/etc/orch/config.yaml";

// Flags that `orch server` and `orch agent` share.
struct NodeOptions {
  std::string config_file = kDefaultConfigFile;
  std::string data_dir = "/var/lib/orch";
  std::string run_dir = "/run/orch";          // Of this boot only: sockets, pins, container state.
  std::string pod_log_dir = "/var/log/pods";  // Where log collectors look for them.
  std::string log_level = "info";
  std::string token;                     // The secret that lets a node join.
  std::string token_file;                // Holds it instead.
  std::string node_name;                 // "" = the host's name, in lower case.
  std::string node_ip;                   // "" = the address of the default route.
  std::vector<std::string> node_labels;  // "key=value"
  uint16_t kubelet_port = 10250;
};

// Who is believed beside the server's own certificates and tokens. Names as kube-apiserver's.
struct IdentityFlags {
  bool anonymous_auth = true;   // Who shows no credentials is system:anonymous.
  std::string token_auth_file;  // Static tokens.
  std::vector<std::string> service_account_issuers, service_account_key_files, api_audiences;
  std::string service_account_signing_key_file;
  std::string oidc_issuer_url, oidc_client_id, oidc_ca_file;
  std::string oidc_username_claim = "sub", oidc_username_prefix;
  std::string oidc_groups_claim, oidc_groups_prefix;
  std::vector<std::string> oidc_required_claims, oidc_signing_algs = {"RS256"};
};

struct ServerOptions {
  NodeOptions node;
  bool cluster_init = false;  // Begin a cluster of several servers.
  std::string server;         // The URL of a server whose cluster is to be joined.
  IdentityFlags identity;
  std::string bind_address = "0.0.0.0";
  uint16_t https_listen_port = 6443;
  std::string advertise_address;  // "" = the node's address.
  std::vector<std::string> tls_sans;
  std::string write_kubeconfig = "/etc/orch/kubeconfig.yaml";
  std::string write_kubeconfig_mode = "600";
  std::string cluster_cidr = "10.42.0.0/16";
  std::string service_cidr = "10.43.0.0/16";
  std::string cluster_dns = "10.43.0.10";
  std::string cluster_domain = "cluster.local";
  std::string service_node_port_range = "30000-32767";
  // An etcd cluster in place of the database in the data directory; "" = none.
  std::string datastore_endpoint, datastore_cafile, datastore_certfile, datastore_keyfile;
  std::string etcd_compaction_interval = "5m";
  std::string encryption_config;  // "" = in the data directory.
  int max_requests_inflight = 400, max_mutating_requests_inflight = 200;  // 0: no limit.
  std::string audit_policy_file, audit_log_path;
  int audit_log_maxsize = 100, audit_log_maxbackup = 0, audit_log_maxage = 0;
  bool disable_agent = false;
  bool disable_scheduler = false;
  bool disable_controller_manager = false;
  std::string snapshot_dir;  // "" = <data-dir>/snapshots.
  std::string snapshot_interval = "12h";
  size_t snapshot_retention = 5;
  bool cluster_reset = false;
  std::string cluster_reset_restore_path;
};

struct AgentOptions {
  NodeOptions node;
  std::vector<std::string> servers;  // "https://10.0.0.1:6443"; one of them is enough.
};

struct ImageOptions {
  std::string data_dir = "/var/lib/orch";
  std::vector<std::string> archives;  // For import.
};

struct SnapshotOptions {
  std::string data_dir = "/var/lib/orch";
  std::string snapshot_dir;  // "" = <data-dir>/snapshots.
  std::string save_name = "on-demand";
  std::string prune_name = "scheduled";
  size_t retention = 5;
  std::string snapshot;  // For check and restore: a path, or a name in the folder.
};

struct EncryptOptions {
  enum class Step { status, rotate_keys, reencrypt };
  Step step = Step::status;
  std::string data_dir = "/var/lib/orch";
  std::string encryption_config;
};

struct MemberOptions {
  std::string kubeconfig = "/etc/orch/kubeconfig.yaml";  // The administrator's.
  std::string server;                                    // Instead of the kubeconfig's.
  std::string member;                                    // For remove and promote: a name or an id.
};

struct ResetOptions {
  std::string data_dir = "/var/lib/orch";
  std::string run_dir = "/run/orch";
};

// What is to be done: exactly one verb.
struct Command {
  enum class Verb {
    server,
    agent,
    image_import,
    image_list,
    snapshot_save,
    snapshot_list,
    snapshot_check,
    snapshot_restore,
    snapshot_prune,
    encrypt,
    member_list,
    member_remove,
    member_promote,
    reset,
    version
  };
  Verb verb = Verb::version;
  ServerOptions server;
  AgentOptions agent;
  ImageOptions image;
  SnapshotOptions snapshot;
  EncryptOptions encrypt;
  MemberOptions member;
  ResetOptions reset;
};

}  // namespace orch::cli
