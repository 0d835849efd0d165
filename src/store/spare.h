// A little room on the disk that is kept for the next start: it needs some for the index of the
// write-ahead log and for small files of the replicated log. So a server whose disk is full can be
// started, to be read, and goes on by itself when there is space.
#pragma once

#include <string>

namespace orch::store {

// At the beginning of a start, by whoever holds the directory's lock.
void use_spare(const std::string& directory);
// At its end. Where there is no room, there is none for the start after it.
void keep_spare(const std::string& directory);

}  // namespace orch::store
