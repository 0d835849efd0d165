// Under ThreadSanitizer alone. libuv closes files by the bare system call, which the sanitizer does
// not see: the next file with that number, on another thread, is the same one to it, and each use
// of it a race with the first. So syscall() is defined here, where the linker finds it before the C
// library's, and closes files as everybody does. Called by libuv, on any thread.
#ifdef __SANITIZE_THREAD__

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>

namespace {

using Call = long (*)(long, ...);

// No static in a function: its guard may wait by a system call.
std::atomic<Call> g_real{nullptr};

Call real() {
  if (const Call found = g_real) return found;
  const auto found = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "syscall"));
  g_real = found;
  return found;
}

}  // namespace

// Not weak: a shared library's would come before it. (Where a program has its own, as tests/replica
// does, the linker leaves this file out.)
extern "C" long syscall(long number, ...) noexcept {
  long given[6];
  va_list list;
  va_start(list, number);
  for (long& argument : given) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_close) return ::close(static_cast<int>(given[0]));
  return real()(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

#endif
