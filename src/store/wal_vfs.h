// A SQLite VFS that writes a transaction's frames to the write-ahead log at once. SQLite itself
// writes each changed page in two calls, a frame's head and the page; of a writer's time half was
// spent in those calls. Frames are kept until the one that ends the transaction, and go out with
// it, before SQLite shows them to other connections: what is committed lies in the file, as ever.
// Anything else that is done to the file (a read, a sync, a write elsewhere) has the frames written
// before it. A write that fails is the transaction's failure, and what was kept is the
// transaction's alone: it is dropped.
//
// The format is that of https://www.sqlite.org/fileformat2.html#walformat.
#pragma once

#include <string>

namespace orch::store {

// The name of such a VFS above another ("" is the system's), which is made when it is missing.
// Everything but write-ahead logs is the other's. Any thread.
std::string wal_vfs(const std::string& base);

}  // namespace orch::store
