// CRI logs: a filter gives out the same text however the file's bytes were cut, and no more than
// it may. The first line is the query of the request, the rest the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/pods/container_log.h"
#include "base/check.h"
#include "base/fd.h"
#include "base/files.h"

using namespace orch;
using namespace orch::pods;

namespace {

std::string filtered(const LogOptions& options, std::string_view raw, size_t step) {
  LogFilter filter(options);
  std::string out;
  for (size_t at = 0; at < raw.size() && !filter.full(); at += step)
    out += filter.feed(raw.substr(at, step));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == text.npos) return 0;
  const auto options =
      parse_log_options(text.substr(0, end), WallTime{std::chrono::seconds{1'700'000'000}});
  if (!options.ok()) return 0;
  const std::string_view raw = text.substr(end + 1);
  if (raw.empty()) return 0;
  const std::string whole = filtered(*options, raw, raw.size());
  ORCH_CHECK(whole == filtered(*options, raw, 1 + text[0] % 7u));
  if (options->limit_bytes) ORCH_CHECK(static_cast<int64_t>(whole.size()) <= *options->limit_bytes);

  static const UniqueFd file(memfd_create("log", MFD_CLOEXEC));
  ORCH_CHECK(ftruncate(file.get(), 0) == 0 && lseek(file.get(), 0, SEEK_SET) == 0);
  ORCH_CHECK(write_all(file.get(), raw).ok());
  const int64_t offset = tail_offset(file.get(), options->tail_lines.value_or(3));
  ORCH_CHECK(offset >= 0 && offset <= static_cast<int64_t>(raw.size()));
  ORCH_CHECK(offset == 0 || static_cast<size_t>(offset) == raw.size() || raw[offset - 1] == '\n');
  return 0;
}
