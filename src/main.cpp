// orch: one executable, many verbs. This is the table of them; each verb lives in src/cli.
//
// The shim comes first: it is a pod's pause process, one for each pod, and stays about a megabyte
// small only if nothing else of the program has run before it.
#include <cstring>

#include "agent/runtime/shim.h"
#include "cli/command_line.h"
#include "cli/verbs.h"

int main(int argc, char** argv) {
  using orch::cli::Command;
  if (argc > 1 && std::strcmp(argv[1], "shim") == 0) return orch::runtime::run_shim(argc, argv);

  const orch::cli::Parsed parsed = orch::cli::parse_command_line(argc, argv);
  if (!parsed.command) return parsed.exit_code;
  const Command& command = *parsed.command;
  switch (command.verb) {
    case Command::Verb::server:
      return orch::cli::run_server(command.server);
    case Command::Verb::agent:
      return orch::cli::run_agent(command.agent);
    case Command::Verb::image_import:
      return orch::cli::run_image_import(command.image);
    case Command::Verb::image_list:
      return orch::cli::run_image_list(command.image);
    case Command::Verb::snapshot_save:
      return orch::cli::run_snapshot_save(command.snapshot);
    case Command::Verb::snapshot_list:
      return orch::cli::run_snapshot_list(command.snapshot);
    case Command::Verb::snapshot_check:
      return orch::cli::run_snapshot_check(command.snapshot);
    case Command::Verb::snapshot_restore:
      return orch::cli::run_snapshot_restore(command.snapshot);
    case Command::Verb::snapshot_prune:
      return orch::cli::run_snapshot_prune(command.snapshot);
    case Command::Verb::encrypt:
      return orch::cli::run_secrets_encrypt(command.encrypt);
    case Command::Verb::member_list:
      return orch::cli::run_member_list(command.member);
    case Command::Verb::member_remove:
      return orch::cli::run_member_remove(command.member);
    case Command::Verb::member_promote:
      return orch::cli::run_member_promote(command.member);
    case Command::Verb::reset:
      return orch::cli::run_reset(command.reset);
    case Command::Verb::version:
      return orch::cli::run_version();
  }
  return 2;
}
