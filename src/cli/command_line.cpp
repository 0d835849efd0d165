#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::cli {

namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr const char* kFooter =
    "\nEvery flag may stand in the configuration file as `flag: value` and in the environment as\n"
    "ORCH_FLAG (upper case, dashes as underscores). The command line wins.\n";

// "service-cidr" → "ORCH_SERVICE_CIDR"
std::string environment_name(std::string flag) {
  for (char& c : flag) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return "ORCH_" + flag;
}

template <class T>
CLI::Option* flag(CLI::App* app, const std::string& name, T& target, const std::string& help) {
  auto* option = app->add_option("--" + name, target, help)->envname(environment_name(name));
  if constexpr (!std::is_same_v<T, std::vector<std::string>>) option->capture_default_str();
  return option;
}

void add_node_flags(CLI::App* app, NodeOptions& o) {
  flag(app, "config", o.config_file, "Configuration file (YAML)");
  flag(app, "data-dir", o.data_dir, "Where everything is kept");
  flag(app, "run-dir", o.run_dir, "Where the state of this boot is kept");
  flag(app, "pod-log-dir", o.pod_log_dir, "Where the logs of containers are kept");
  flag(app, "log-level", o.log_level, "debug, info, warn or error");
  flag(app, "token", o.token, "Secret with which nodes join");
  flag(app, "token-file", o.token_file, "File that holds the secret");
  flag(app, "node-name", o.node_name, "Name of this node (default: the host's)");
  flag(app, "node-ip", o.node_ip, "Address of this node (default: of the default route)");
  flag(app, "node-label", o.node_labels, "Label of this node, key=value; may be repeated");
  flag(app, "kubelet-port", o.kubelet_port, "Port of this node's endpoint for logs and exec");
}

void add_identity_flags(CLI::App* app, IdentityFlags& o) {
  flag(app, "anonymous-auth", o.anonymous_auth,
       "Whether requests without credentials are system:anonymous's, instead of refused");
  flag(app, "token-auth-file", o.token_auth_file, "File of static tokens: token,user,uid,groups");
  flag(app, "service-account-issuer", o.service_account_issuers,
       "Issuer in service accounts' tokens; repeated: older ones that are still believed");
  flag(app, "service-account-key-file", o.service_account_key_files,
       "More public keys (PEM, P-256) that such tokens are believed by");
  flag(app, "service-account-signing-key-file", o.service_account_signing_key_file,
       "Private key (PEM, P-256) that signs them (default: one of the server's making)");
  flag(app, "api-audiences", o.api_audiences,
       "Names of this server that tokens are meant for (default: the issuers)")
      ->delimiter(',');
  flag(app, "oidc-issuer-url", o.oidc_issuer_url, "https:// URL of an external OpenID issuer");
  flag(app, "oidc-client-id", o.oidc_client_id, "Client that its tokens must be meant for");
  flag(app, "oidc-ca-file", o.oidc_ca_file, "CA of the issuer (default: the system's)");
  flag(app, "oidc-username-claim", o.oidc_username_claim, "Claim that names the user");
  flag(app, "oidc-username-prefix", o.oidc_username_prefix,
       "Put before it; - is nothing (default: the issuer's URL and #, but for email)");
  flag(app, "oidc-groups-claim", o.oidc_groups_claim, "Claim that lists the user's groups");
  flag(app, "oidc-groups-prefix", o.oidc_groups_prefix, "Put before each of them");
  flag(app, "oidc-required-claim", o.oidc_required_claims, "key=value; may be repeated");
  flag(app, "oidc-signing-algs", o.oidc_signing_algs, "Allowed signatures: RS256, ES256, ...")
      ->delimiter(',');
}

void add_datastore_flags(CLI::App* app, ServerOptions& o) {
  flag(
      app, "datastore-endpoint", o.datastore_endpoint,
      "URLs of an etcd cluster's servers, with commas (default: a database in the data directory)");
  flag(app, "datastore-cafile", o.datastore_cafile, "CA of etcd (default: the system's)");
  flag(app, "datastore-certfile", o.datastore_certfile, "Certificate to show to etcd");
  flag(app, "datastore-keyfile", o.datastore_keyfile, "Its key");
  flag(app, "etcd-compaction-interval", o.etcd_compaction_interval,
       "How much of its past etcd keeps; 0: all of it");
}

void add_server_flags(CLI::App* app, ServerOptions& o) {
  add_node_flags(app, o.node);
  add_identity_flags(app, o.identity);
  app->add_flag("--cluster-init", o.cluster_init,
                "Be the first of several servers from the start on, with what this one has; a "
                "single server becomes it by itself when another joins")
      ->envname(environment_name("cluster-init"));
  flag(app, "server", o.server,
       "Join the cluster of this server, https://HOST:6443; --token is its server-token then. "
       "Once joined: a server to ask first, if all have moved");
  add_datastore_flags(app, o);
  flag(app, "bind-address", o.bind_address, "Address to listen on");
  flag(app, "https-listen-port", o.https_listen_port, "Port to listen on");
  flag(app, "advertise-address", o.advertise_address,
       "Address that pods and nodes reach the server at (default: the node's)");
  flag(app, "tls-san", o.tls_sans, "More names and addresses for the certificate");
  flag(app, "write-kubeconfig", o.write_kubeconfig, "Where the administrator's kubeconfig goes");
  flag(app, "write-kubeconfig-mode", o.write_kubeconfig_mode, "Its file mode, octal");
  flag(app, "cluster-cidr", o.cluster_cidr, "Addresses of pods");
  flag(app, "service-cidr", o.service_cidr, "Addresses of services");
  flag(app, "cluster-dns", o.cluster_dns, "Address of the cluster's DNS");
  flag(app, "cluster-domain", o.cluster_domain, "Domain of the cluster");
  flag(app, "service-node-port-range", o.service_node_port_range, "Ports of NodePort services");
  flag(app, "encryption-provider-config", o.encryption_config,
       "Secrets with which Secrets are encrypted on disk (default: in the data directory)");
  flag(app, "max-requests-inflight", o.max_requests_inflight,
       "Requests that read and are worked on at once; 0: any number")
      ->check(CLI::NonNegativeNumber);
  flag(app, "max-mutating-requests-inflight", o.max_mutating_requests_inflight,
       "The same of requests that write")
      ->check(CLI::NonNegativeNumber);
  flag(app, "audit-policy-file", o.audit_policy_file, "Which requests are audited (default: none)");
  flag(app, "audit-log-path", o.audit_log_path, "Where audit events go; - is standard output");
  flag(app, "audit-log-maxsize", o.audit_log_maxsize, "Megabytes of it before it is rotated")
      ->check(CLI::Range(1, 1 << 20));
  flag(app, "audit-log-maxbackup", o.audit_log_maxbackup, "Old ones that are kept; 0: all")
      ->check(CLI::NonNegativeNumber);
  flag(app, "audit-log-maxage", o.audit_log_maxage, "Days that old ones are kept; 0: for ever")
      ->check(CLI::NonNegativeNumber);
  app->add_flag("--disable-agent", o.disable_agent, "Be a control plane only, not a node")
      ->envname(environment_name("disable-agent"));
  app->add_flag("--disable-scheduler", o.disable_scheduler, "Leave scheduling to another program")
      ->envname(environment_name("disable-scheduler"));
  app->add_flag("--disable-controller-manager", o.disable_controller_manager,
                "Leave the controllers' work to another program")
      ->envname(environment_name("disable-controller-manager"));
}

void add_snapshot_flags(CLI::App* app, ServerOptions& o) {
  flag(app, "snapshot-dir", o.snapshot_dir, "Where snapshots lie (default: data-dir/snapshots)");
  flag(app, "snapshot-interval", o.snapshot_interval, "Time between snapshots; 0 makes none");
  flag(app, "snapshot-retention", o.snapshot_retention, "How many scheduled snapshots are kept");
  app->add_flag("--cluster-reset", o.cluster_reset,
                "Make this server the whole cluster, with what it has or a snapshot; then end")
      ->envname(environment_name("cluster-reset"));
  flag(app, "cluster-reset-restore-path", o.cluster_reset_restore_path,
       "The snapshot that the cluster is made of then (default: what this server has)");
}

// `orch snapshot ...`: each verb, and what the command line means by it.
std::vector<std::pair<CLI::App*, Command::Verb>> add_snapshot_verbs(CLI::App* app,
                                                                    SnapshotOptions& o) {
  using Verb = Command::Verb;
  CLI::App* snapshot = app->add_subcommand("snapshot", "Back up the cluster, and restore it");
  snapshot->require_subcommand(1);
  CLI::App* save = snapshot->add_subcommand("save", "Make a snapshot; the server may run");
  CLI::App* list = snapshot->add_subcommand("list", "Show the snapshots, oldest first");
  CLI::App* check = snapshot->add_subcommand("check", "Read a snapshot and look for damage");
  CLI::App* restore = snapshot->add_subcommand("restore", "Go back to a snapshot; stop orch first");
  CLI::App* prune = snapshot->add_subcommand("prune", "Remove the oldest snapshots");
  for (CLI::App* verb : {save, list, check, restore, prune}) {
    flag(verb, "data-dir", o.data_dir, "Where everything is kept");
    flag(verb, "snapshot-dir", o.snapshot_dir, "Where snapshots lie (default: data-dir/snapshots)");
  }
  for (CLI::App* verb : {check, restore})
    verb->add_option("snapshot", o.snapshot, "A name from the list, or a path")->required();
  save->add_option("--name", o.save_name, "How the snapshot's name begins")->capture_default_str();
  prune->add_option("--name", o.prune_name, "Only snapshots of this name")->capture_default_str();
  flag(prune, "snapshot-retention", o.retention, "How many are kept");
  return {{save, Verb::snapshot_save},
          {list, Verb::snapshot_list},
          {check, Verb::snapshot_check},
          {restore, Verb::snapshot_restore},
          {prune, Verb::snapshot_prune}};
}

// `orch secrets-encrypt STEP`, the steps named as k3s names them.
void add_encrypt_verb(CLI::App* app, EncryptOptions& o) {
  CLI::App* verb = app->add_subcommand("secrets-encrypt", "Look after the encryption of Secrets");
  verb->require_subcommand(1);
  const auto step = [&](const char* name, const char* help, EncryptOptions::Step value) {
    CLI::App* one = verb->add_subcommand(name, help);
    flag(one, "data-dir", o.data_dir, "Where everything is kept");
    flag(one, "encryption-provider-config", o.encryption_config,
         "As `orch server` was told (default: in the data directory)");
    one->callback([&o, value] { o.step = value; });
  };
  step("status", "Show which secret encrypts, and what lies on disk", EncryptOptions::Step::status);
  step("rotate-keys", "Make a new secret; the old ones can still be read",
       EncryptOptions::Step::rotate_keys);
  step("reencrypt", "Encrypt all with the newest secret; the server must not run",
       EncryptOptions::Step::reencrypt);
}

// `orch member ...`
std::vector<std::pair<CLI::App*, Command::Verb>> add_member_verbs(CLI::App* app, MemberOptions& o) {
  using Verb = Command::Verb;
  CLI::App* member = app->add_subcommand("member", "Look after the servers of a cluster");
  member->require_subcommand(1);
  CLI::App* list = member->add_subcommand("list", "Show the servers, and how each does");
  CLI::App* remove = member->add_subcommand(
      "remove", "Take a server out for good, dead or alive; it may join anew with an empty disk");
  CLI::App* promote = member->add_subcommand(
      "promote", "Give a learner a vote; a server that joined gets it by itself");
  for (CLI::App* verb : {list, remove, promote}) {
    flag(verb, "kubeconfig", o.kubeconfig, "Credentials of an administrator");
    flag(verb, "server", o.server, "URL of any server (default: the kubeconfig's)");
  }
  for (CLI::App* verb : {remove, promote})
    verb->add_option("member", o.member, "Name or id, as in the list")->required();
  return {
      {list, Verb::member_list}, {remove, Verb::member_remove}, {promote, Verb::member_promote}};
}

// The text form of a scalar, as CLI11 takes it.
Result<std::string> scalar_text(const std::string& where, const api::Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return std::string(value.as_bool() ? "true" : "false");
  if (value.is_number()) return api::to_json(value);
  return bad_request(where + ": a " + value.type_name() + " is no value for a flag");
}

// Gives one option what the file says, unless the command line or the environment spoke.
Result<void> apply_setting(CLI::App* app, const std::string& file, const std::string& key,
                           const api::Value& value) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app->get_options())
    if (!option->get_lnames().empty()) known.push_back(option->get_lnames()[0]);
  if (std::find(known.begin(), known.end(), key) == known.end() || key == "config" ||
      key == "help") {
    const std::string near = nearest(key, known);
    return bad_request(file + ": unknown key \"" + key + "\"" +
                       (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
  CLI::Option* option = app->get_option("--" + key);
  if (option->count() > 0) return {};
  const std::string where = file + ": " + key;
  std::vector<std::string> texts;
  if (value.is_array()) {
    for (const api::Value& item : value.items())
      texts.push_back(ORCH_TRY(scalar_text(where, item)));
  } else {
    texts.push_back(ORCH_TRY(scalar_text(where, value)));
  }
  for (const std::string& text : texts) option->add_result(text);
  try {
    option->run_callback();
  } catch (const CLI::Error& error) {
    return bad_request(where + ": " + error.what());
  }
  return {};
}

Result<void> apply_file(CLI::App* app, const std::string& file) {
  const std::string text = ORCH_TRY(read_file(file, kMaxConfigBytes));
  auto parsed = api::parse_yaml(text, {kMaxConfigBytes, nullptr});
  if (!parsed) return std::move(parsed).status().in(file);
  if (parsed->is_null()) return {};
  if (!parsed->is_object()) return bad_request(file + ": must be `flag: value` lines");
  for (const api::Value::Member& member : parsed->members())
    ORCH_TRY(apply_setting(app, file, member.name, member.value));
  return {};
}

// The file, then the drop-ins beside it in the order of their names. A file that was asked for must
// be there; the default one may be missing.
Result<void> apply_config(CLI::App* app, const NodeOptions& node) {
  const bool asked = app->get_option("--config")->count() > 0;
  // An earlier setting stands, so the last file goes first.
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(node.config_file + ".d", error))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.rbegin(), files.rend());
  if (asked || file_exists(node.config_file)) files.push_back(node.config_file);
  for (const std::string& file : files) ORCH_TRY(apply_file(app, file));
  return {};
}

int complain(const Status& status) {
  std::fprintf(stderr, "orch: %s\n", status.message.c_str());
  return 2;
}

}  // namespace

Parsed parse_command_line(int argc, char** argv) {
  Parsed parsed;
  Command command;
  CLI::App app{"orch: Kubernetes in one executable", "orch"};
  app.require_subcommand(1);
  app.footer(
      "\nStart here:\n  orch server            a whole cluster on this machine\n"
      "  orch agent --server https://HOST:6443 --token-file FILE   one more node\n"
      "  orch server --server https://HOST:6443 --token-file FILE  one more server\n");

  CLI::App* server = app.add_subcommand("server", "Run the control plane and, by default, a node");
  add_server_flags(server, command.server);
  add_snapshot_flags(server, command.server);
  server->footer(kFooter);
  CLI::App* agent = app.add_subcommand("agent", "Run a node of a cluster");
  add_node_flags(agent, command.agent.node);
  flag(agent, "server", command.agent.servers,
       "URL of a server, https://HOST:6443; may be repeated, the others are learned");
  agent->footer(kFooter);

  CLI::App* image = app.add_subcommand("image", "Look after the container images of this node");
  image->require_subcommand(1);
  CLI::App* import = image->add_subcommand("import", "Take in OCI or docker archives");
  CLI::App* list = image->add_subcommand("list", "Show the images that are here");
  for (CLI::App* verb : {import, list})
    flag(verb, "data-dir", command.image.data_dir, "Where everything is kept");
  import->add_option("archive", command.image.archives, "Archive files")->required();
  auto grouped_verbs = add_snapshot_verbs(&app, command.snapshot);
  for (const auto& verb : add_member_verbs(&app, command.member)) grouped_verbs.push_back(verb);
  CLI::App* reset =
      app.add_subcommand("reset", "Remove all pods, mounts, links and rules of this node");
  flag(reset, "data-dir", command.reset.data_dir, "Where everything is kept");
  flag(reset, "run-dir", command.reset.run_dir, "Where the state of this boot is kept");
  add_encrypt_verb(&app, command.encrypt);
  app.add_subcommand("version", "Show the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.exit_code = app.exit(error) == 0 ? 0 : 2;
    return parsed;
  }

  Result<void> configured;
  if (server->parsed()) {
    command.verb = Command::Verb::server;
    configured = apply_config(server, command.server.node);
  } else if (agent->parsed()) {
    command.verb = Command::Verb::agent;
    configured = apply_config(agent, command.agent.node);
  } else if (import->parsed()) {
    command.verb = Command::Verb::image_import;
  } else if (list->parsed()) {
    command.verb = Command::Verb::image_list;
  } else if (app.get_subcommand("secrets-encrypt")->parsed()) {
    command.verb = Command::Verb::encrypt;
  } else if (reset->parsed()) {
    command.verb = Command::Verb::reset;
  }
  for (const auto& [verb, meaning] : grouped_verbs)
    if (verb->parsed()) command.verb = meaning;
  if (!configured) {
    parsed.exit_code = complain(configured.status());
    return parsed;
  }
  parsed.command = std::move(command);
  return parsed;
}

}  // namespace orch::cli
