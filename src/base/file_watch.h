// FileWatch: calls back when a file was written or another took its place (inotify(7)). One thread,
// asleep until then.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace orch {

class FileWatch {
 public:
  // `changed` is called on a thread of the watch's: once at the start, for what changed just
  // before, then once for all changes that come together. The file may be gone by then. It is the
  // folder that is watched, and must be there.
  static Result<std::unique_ptr<FileWatch>> start(const std::string& path,
                                                  std::function<void()> changed);
  ~FileWatch();  // Waits for a call that runs.

 private:
  FileWatch(std::string name, std::function<void()> changed)
      : name_(std::move(name)), changed_(std::move(changed)) {}
  void run();
  bool take_events();

  const std::string name_;
  const std::function<void()> changed_;
  UniqueFd events_, ending_;
  std::thread thread_;
};

}  // namespace orch
