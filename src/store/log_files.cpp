#include "store/log_files.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <tuple>
#include <vector>

#include "base/files.h"
#include "store/damage.h"

namespace orch::store {

namespace {

// libraft's names and the form of its files, at its version that raft_library.h asserts.
constexpr const char* kFinished = "%llu-%llu%n";
constexpr const char* kOpen = "open-%llu%n";
constexpr const char* kCopy = "snapshot-%llu-%llu-%llu%n";
constexpr uint64_t kFormat = 1;
constexpr size_t kEntryHeadBytes = 16;
constexpr uint64_t kMaxEntries = 1u << 18;  // Of a batch.

struct Files {
  struct Copy {
    std::tuple<uint64_t, uint64_t, uint64_t> order;  // Term, index, time.
    std::string name;
    uint64_t index() const { return std::get<1>(order); }
  };
  uint64_t last_finished = 0;
  std::vector<std::pair<uint64_t, std::string>> open;  // In the order they were written.
  std::optional<Copy> copy;                            // The last.
};

template <class... Numbers>
bool reads(const std::string& name, const char* form, Numbers*... numbers) {
  int used = 0;
  const int count = std::sscanf(name.c_str(), form, numbers..., &used);
  return count == static_cast<int>(sizeof...(numbers)) && used == static_cast<int>(name.size());
}

Files list(const std::string& folder) {
  Files files;
  std::error_code code;
  for (const auto& file : std::filesystem::directory_iterator(folder, code)) {
    const std::string name = file.path().filename();
    unsigned long long a = 0, b = 0, c = 0;
    if (reads(name, kFinished, &a, &b)) {
      files.last_finished = std::max<uint64_t>(files.last_finished, b);
    } else if (reads(name, kOpen, &a)) {
      files.open.emplace_back(a, name);
    } else if (reads(name, kCopy, &a, &b, &c) && file_exists(folder + "/" + name + ".meta")) {
      const std::tuple<uint64_t, uint64_t, uint64_t> order(a, b, c);
      if (!files.copy || files.copy->order < order) files.copy = {order, name};
    }
  }
  std::ranges::sort(files.open);
  return files;
}

// libraft's: the polynomial of Ethernet's, the highest bit first, beginning with 0.
uint32_t crc_of(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < made.size(); ++i) {
      uint32_t value = i << 24;
      for (int bit = 0; bit < 8; ++bit) value = (value << 1) ^ ((value >> 31) * 0x04c11db7u);
      made[i] = value;
    }
    return made;
  }();
  uint32_t crc = 0;
  for (const char each : bytes) {
    crc = (crc << 8) ^ table[(crc >> 24) ^ static_cast<unsigned char>(each)];
  }
  return crc;
}

template <class Number>
Number number_at(std::string_view bytes, size_t at) {
  Number number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;  // (This program runs on little endian machines only, as libraft's files are.)
}

// What an open file has in it up to the first batch that makes no sense.
struct Content {
  uint64_t entries = 0;
  size_t end = 0;
  bool is_clean = false;  // Nothing follows.
};

// The batch at the beginning of `bytes`: how many entries, how long. Nothing: it is none.
std::optional<std::pair<uint64_t, size_t>> batch_in(std::string_view bytes) {
  constexpr size_t kHeadAt = 2 * sizeof(uint32_t);
  if (bytes.size() < kHeadAt + sizeof(uint64_t)) return std::nullopt;
  const auto count = number_at<uint64_t>(bytes, kHeadAt);
  if (count == 0 || count > kMaxEntries) return std::nullopt;
  const size_t head_bytes = sizeof(uint64_t) + count * kEntryHeadBytes;
  if (bytes.size() - kHeadAt < head_bytes) return std::nullopt;
  if (crc_of(bytes.substr(kHeadAt, head_bytes)) != number_at<uint32_t>(bytes, 0)) {
    return std::nullopt;
  }
  size_t data_bytes = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t at = kHeadAt + sizeof(uint64_t) + i * kEntryHeadBytes;
    data_bytes += number_at<uint32_t>(bytes, at + kEntryHeadBytes - sizeof(uint32_t));
  }
  const size_t data_at = kHeadAt + head_bytes;
  if (bytes.size() - data_at < data_bytes) return std::nullopt;
  if (crc_of(bytes.substr(data_at, data_bytes)) != number_at<uint32_t>(bytes, sizeof(uint32_t))) {
    return std::nullopt;
  }
  return std::pair(count, data_at + data_bytes);
}

Content content_of(std::string_view bytes) {
  Content content;
  if (bytes.size() >= sizeof kFormat && number_at<uint64_t>(bytes, 0) == kFormat) {
    content.end = sizeof kFormat;
    while (const auto batch = batch_in(bytes.substr(content.end))) {
      content.entries += batch->first;
      content.end += batch->second;
    }
  }
  content.is_clean = bytes.find_first_not_of('\0', content.end) == std::string_view::npos;
  return content;
}

Status damaged_file(const std::string& path, const std::string& what) {
  return damaged(path + " is damaged: " + what);
}

}  // namespace

Result<void> check_log_files(const std::string& folder, uint64_t reached) {
  const Files files = list(folder);
  const uint64_t copied = files.copy ? files.copy->index() : 0;
  uint64_t last = files.last_finished > 0 ? files.last_finished : copied;
  std::optional<Status> broken_off;
  for (const auto& [number, name] : files.open) {
    const std::string bytes = ORCH_TRY(read_file(folder + "/" + name));
    const Content content = content_of(bytes);
    // The next file is begun when all is in the one before.
    if (broken_off && content.entries > 0) return *broken_off;
    last += content.entries;
    if (content.is_clean || broken_off) continue;
    broken_off = damaged_file(
        folder + "/" + name, "the entries from number " + std::to_string(last + 1) +
                                 " on, at byte " + std::to_string(content.end) + ", can't be read");
  }
  if (std::max(last, copied) >= reached) return {};
  if (broken_off) return *broken_off;
  return damaged_file(folder, "the entries of the log from number " +
                                  std::to_string(std::max(last, copied) + 1) + " to " +
                                  std::to_string(reached) + " are gone");
}

bool has_finished_entry(const std::string& folder, uint64_t index) {
  return list(folder).last_finished >= index;
}

}  // namespace orch::store
