// The verbs of the command line, one function and one file each. Each gives the exit code.
#pragma once

#include "cli/options.h"

namespace orch::cli {

inline constexpr const char* kVersion = "0.1.0";

int run_server(const ServerOptions& options);
// What `orch server --cluster-reset` does instead.
int run_cluster_reset(const ServerOptions& options);
// Without a snapshot to restore.
int run_reset_to_one(const ServerOptions& options);
int run_agent(const AgentOptions& options);
int run_image_import(const ImageOptions& options);
int run_image_list(const ImageOptions& options);
int run_snapshot_save(const SnapshotOptions& options);
int run_snapshot_list(const SnapshotOptions& options);
int run_snapshot_check(const SnapshotOptions& options);
int run_snapshot_restore(const SnapshotOptions& options);
int run_snapshot_prune(const SnapshotOptions& options);
int run_secrets_encrypt(const EncryptOptions& options);
int run_member_list(const MemberOptions& options);
int run_member_remove(const MemberOptions& options);
int run_member_promote(const MemberOptions& options);
int run_reset(const ResetOptions& options);
int run_version();

}  // namespace orch::cli
