// Files, the safe way: whole reads with a limit, atomic and durable writes, and opening paths that
// come from outside beneath a root by descriptor (openat2 RESOLVE_IN_ROOT), never twice.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace orch {

// The whole file; a file longer than `limit_bytes` is an error that names it. 404 when missing.
Result<std::string> read_file(const std::string& path, size_t limit_bytes = 64u << 20);

// Writes a temporary beside `path`, fsyncs it, renames it over `path`, fsyncs the folder. Readers
// see the old or the new content, also after power loss.
Result<void> write_file_atomic(const std::string& path, std::string_view content,
                               mode_t mode = 0600);

// The same without the fsyncs: for what means nothing after a reboot. Readers see the old or the
// new content, also after a crash of the process; a power loss may leave the file empty.
Result<void> write_file_whole(const std::string& path, std::string_view content,
                              mode_t mode = 0600);

// mkdir -p with `mode` for what is made.
Result<void> make_dirs(const std::string& path, mode_t mode = 0755);

// rm -rf, never following links, never leaving `path`'s own file system. Missing is success.
Result<void> remove_tree(const std::string& path);

bool file_exists(const std::string& path);

// Opens `path` as if `root` were "/": "..", absolute links and magic links can't leave it.
// `flags` as in open(2); O_CLOEXEC is added.
Result<UniqueFd> open_in_root(int root_fd, const std::string& path, int flags, mode_t mode = 0);

// Writes all of `bytes`, through short writes and EINTR.
Result<void> write_all(int fd, std::string_view bytes);

}  // namespace orch
