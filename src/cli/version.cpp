#include <cstdio>

#include "cli/verbs.h"

namespace orch::cli {

int run_version() {
  std::printf("orch %s (Kubernetes v1.32)\n", kVersion);
  return 0;
}

}  // namespace orch::cli
