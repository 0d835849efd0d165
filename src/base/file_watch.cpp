#include "base/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace orch {

Result<std::unique_ptr<FileWatch>> FileWatch::start(const std::string& path,
                                                    std::function<void()> changed) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  std::unique_ptr<FileWatch> watch(
      new FileWatch(slash == path.npos ? path : path.substr(slash + 1), std::move(changed)));
  watch->ending_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!watch->ending_) return system_error("eventfd", errno);
  watch->events_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch->events_) return system_error("inotify", errno);
  const uint32_t kinds = IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR;
  if (::inotify_add_watch(watch->events_.get(), folder.c_str(), kinds) < 0) {
    return system_error("watch " + folder, errno);
  }
  watch->thread_ = std::thread([raw = watch.get()] { raw->run(); });
  return watch;
}

FileWatch::~FileWatch() {
  if (!thread_.joinable()) return;
  ::eventfd_write(ending_.get(), 1);
  thread_.join();
}

void FileWatch::run() {
  changed_();
  for (;;) {
    pollfd waiting[] = {{events_.get(), POLLIN, 0}, {ending_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    if (waiting[0].revents != 0 && take_events()) changed_();
  }
}

// Whether one of them is about the file. What was lost may have been.
bool FileWatch::take_events() {
  bool about_it = false;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = ::read(events_.get(), buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const bool named = event.len > 0 && name_ == buffer + at + sizeof event;
      about_it = about_it || named || (event.mask & IN_Q_OVERFLOW) != 0;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
  return about_it;
}

}  // namespace orch
