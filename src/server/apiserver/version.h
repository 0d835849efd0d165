// version: which Kubernetes this is, as /version and /metrics say it.
#pragma once

namespace orch::apiserver {

inline constexpr const char* kMajorVersion = "1";
inline constexpr const char* kMinorVersion = "32";
inline constexpr const char* kGitVersion = "v1.32.4+orch";

}  // namespace orch::apiserver
