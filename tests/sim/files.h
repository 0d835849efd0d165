// Files: the SQLite VFS beneath the simulated servers' tables. The files are real, for they must
// outlive a server's process; what may happen to them is not: no fsync is waited for (a loss of
// power is a copy that is put back), and a folder can be full or fail. Any thread.
#pragma once

#include <functional>
#include <string>

#include "world.h"

namespace orch::sim {

// Its name, for store::Options::vfs.
const char* table_vfs();
// As a run begins: what SQLite draws by lot is the same in each.
void begin_files();
// Who is told when SQLite has synced a write-ahead log beneath the folder; null: nobody. On the
// thread that does.
void on_sync(const std::string& folder, std::function<void()> told);
// Nothing more can be written below the folder, or it can again.
void set_full(const std::string& folder, bool is_full);
// What is written below the folder fails, for good.
void set_failing(const std::string& folder);
// One bit of the file, somewhere. Nobody may have it open.
void flip_bit_of_file(const std::string& path, World& world);

}  // namespace orch::sim
