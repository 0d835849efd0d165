// The entry of `orch shim`: one small process per pod that holds its sandbox and supervises its
// containers (docs/adr/0004-container-supervision.md). Called from main before anything heavy:
// it uses no thread and allocates little; about 1 MB resident.
#pragma once

namespace orch::runtime {

// argv: {"orch", "shim", "--dir", "<state_dir>/pods/<uid>"} ("--fail-at N": tests). Reads the
// sandbox record in that folder, sets the sandbox up, writes "ok" or the reason of its failure to
// descriptor 3 and closes it, then serves until told to shut down. Returns the exit code.
int run_shim(int argc, char** argv);

}  // namespace orch::runtime
