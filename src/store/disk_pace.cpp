#include "store/disk_pace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "base/files.h"

namespace orch::store {

Result<DiskPace> DiskPace::measure(const std::string& directory, Clock& clock) {
  constexpr int kTries = 8;
  const std::string path = directory + "/pace";
  const std::string block(4096, 'p');
  DiskPace pace;
  {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return system_error("open " + path, errno);
    for (int i = 0; i < kTries; ++i) {
      const MonoTime before = clock.monotonic();
      // A full disk is slow, not broken: the log waits for space.
      const auto written = write_all(file.get(), block);
      if (::fdatasync(file.get()) != 0) return system_error("sync " + path, errno);
      const MonoTime after = clock.monotonic();
      if (written.ok()) pace.note(after - before, after);
    }
  }
  if (::unlink(path.c_str()) != 0) return system_error("remove " + path, errno);
  return pace;
}

}  // namespace orch::store
