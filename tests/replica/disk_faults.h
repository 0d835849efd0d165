// A disk that fails beneath a program: the executable that has this in it has its own open, write,
// fsync, rename and so on, which take the place of libc's for all of its parts, libraft, libuv and
// SQLite among them. Of the files below one folder they know what was not synced, and take it back
// when power is lost. Operations on a part of these files are counted, and the n-th of them fails.
//
// libraft writes entries with Linux' io_submit: such a write that is to fail becomes a sync, whose
// result is then changed.
#pragma once

#include <cstdint>
#include <string>

namespace orch::faults {

enum class Fault {
  none,
  once,      // The n-th operation fails: an I/O error.
  full,      // The same with no space left, where there can be such a thing.
  quota,     // The same with a quota that is used up.
  at_once,   // As `once`; io_submit itself fails, not what it was to do.
  for_ever,  // The n-th and all later ones fail: the disk died, or power was lost.
  torn,      // As `for_ever`, but the first half of the n-th is written, if it is a write.
};

// Watches what is below `root`; counts and fails what has `part` in its path. Forgets all before.
void watch(const std::string& root, const std::string& part);
void unwatch();
void arm(Fault fault, int at);
// Operations since arm().
int operations();
// The n-th operation, for people: "fsync .../open-1".
std::string failed_operation();
// Takes back the last `eighths` of what was not synced. Nothing may write meanwhile.
void lose_power(int eighths);
// No file of the part can grow or be made until it is false again, but for the room that others of
// them give back when they are removed.
void set_full(bool full);

}  // namespace orch::faults
