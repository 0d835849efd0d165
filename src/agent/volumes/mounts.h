// mounts: the few mount(2) skills that volumes need. Every one is idempotent.
//
// A path that a pod's spec or a container could have made (subPath) is opened once, beneath its
// root, by descriptor, and that descriptor is what gets mounted: whoever swaps a folder for a link
// in between changes nothing (the class of CVE-2017-1002101 and CVE-2021-25741).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace orch::volumes {

// A tmpfs at `dir` (made if missing); nothing happens when one is there. size_bytes 0: the kernel's
// default of half the memory.
Result<void> mount_tmpfs(const std::string& dir, int64_t size_bytes);

// Binds `sub_path` of the volume at `root` onto `target`, which is made as a file or folder to
// fit; folders of sub_path that are missing are made (0750). Replaces what is mounted on target.
Result<void> bind_sub_path(const std::string& root, const std::string& sub_path,
                           const std::string& target);

// Unmounts everything at and beneath `dir`, deepest first. An error when something stays.
Result<void> unmount_beneath(const std::string& dir);

// Mount points at and beneath `dir` in the text of /proc/self/mountinfo, deepest first. Pure.
std::vector<std::string> mount_points_beneath(const std::string& mountinfo, const std::string& dir);

// Kubernetes' hostPath.type: "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File",
// "Socket", "CharDevice", "BlockDevice".
Result<void> check_host_path(const std::string& path, const std::string& type);

// Gives the volume's root to the group as Kubernetes does for fsGroup: group-writable, set-gid,
// and all that is in it. `only_root_mismatch`: fsGroupChangePolicy OnRootMismatch.
Result<void> give_to_group(const std::string& dir, gid_t gid, bool only_root_mismatch);

}  // namespace orch::volumes
