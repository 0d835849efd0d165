// The system calls of Linux AIO, in the place of libraft's own (which are nothing but these calls,
// and are left out by the linker for being defined here). libraft closes a file of its log on the
// loop's thread, and io_destroy() waits there for every processor to pass through the scheduler:
// 30 ms and more on a busy machine, for each 8 MiB of log, in which no entry is written, sent or
// agreed on. Nobody needs to wait for it: nothing is under way in a context when libraft is through
// with it.
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>
#include <system_error>
#include <thread>

extern "C" {

int io_setup(unsigned events, aio_context_t* context) {
  return static_cast<int>(::syscall(SYS_io_setup, events, context));
}

int io_submit(aio_context_t context, long count, iocb** writes) {
  return static_cast<int>(::syscall(SYS_io_submit, context, count, writes));
}

int io_getevents(aio_context_t context, long at_least, long at_most, io_event* events,
                 timespec* timeout) {
  return static_cast<int>(::syscall(SYS_io_getevents, context, at_least, at_most, events, timeout));
}

int io_destroy(aio_context_t context) {
  try {
    std::thread([context] { ::syscall(SYS_io_destroy, context); }).detach();
  } catch (const std::system_error&) {  // No thread to be had.
    return static_cast<int>(::syscall(SYS_io_destroy, context));
  }
  return 0;
}

}  // extern "C"
