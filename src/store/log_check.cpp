#include "store/log_check.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "store/crc32.h"
#include "store/damage.h"
#include "store/entry.h"

namespace orch::store {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1u << 30;
constexpr size_t kWord = 8;
constexpr size_t kMetadataBytes = 4 * kWord;  // Format, version, term, vote.
constexpr size_t kCopyHeadBytes = 4 * kWord;  // Format, checksum, entry, length of what follows.
constexpr size_t kEntryHeadBytes = 2 * kWord;
constexpr uint64_t kFormat = 1;
constexpr char kCommand = 1;  // RAFT_COMMAND: an entry of ours, which says which one it is.

uint64_t word_at(std::string_view bytes, size_t at) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return le64toh(word);
}

uint32_t half_at(std::string_view bytes, size_t at) {
  uint32_t half = 0;
  std::memcpy(&half, bytes.data() + at, sizeof half);
  return le32toh(half);
}

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

// Checksums of head and data, the number of entries, for each its term, kind and length; the data.
// False when it isn't whole.
bool add_batch(std::string_view bytes, SegmentFacts* facts) {
  if (bytes.size() < 2 * kWord) return false;
  const uint64_t entries = word_at(bytes, kWord);
  if (entries == 0 || entries > (bytes.size() - 2 * kWord) / kEntryHeadBytes) return false;
  const size_t data = 2 * kWord + entries * kEntryHeadBytes;
  if (crc32(bytes.substr(kWord, data - kWord)) != half_at(bytes, 0)) return false;
  size_t end = data, ours = 0;
  uint64_t before = facts->entries;  // The first of ours.
  for (size_t head = 2 * kWord; head < data; head += kEntryHeadBytes) {
    if (ours == 0 && bytes[head + kWord] == kCommand) ours = end;
    if (ours == 0) ++before;
    end += (half_at(bytes, head + 12) + kWord - 1) / kWord * kWord;
  }
  if (end > bytes.size() || crc32(bytes.substr(data, end - data)) != half_at(bytes, 4))
    return false;
  const uint64_t said = ours == 0 ? 0 : stamped_index(bytes.substr(ours, end - ours));
  if (facts->first == 0 && said > before) facts->first = said - before;
  facts->entries += entries;
  facts->bytes += end;
  return true;
}

// The numbers in "0000000000000001-0000000000000007", "snapshot-2-7-123.meta", "open-3".
std::vector<uint64_t> numbers_in(std::string_view name) {
  std::vector<uint64_t> numbers;
  for (const std::string_view part : split(name, '-')) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error == std::errc()) numbers.push_back(number);
  }
  return numbers;
}

struct Folder {
  std::vector<std::string> closed, open, copies;  // Names, the oldest first.
};

Folder list(const std::string& folder) {
  Folder found;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    const std::string name = file.path().filename();
    const size_t numbers = numbers_in(name).size();
    if (name.starts_with("open-")) {
      found.open.push_back(name);
    } else if (name.starts_with("snapshot-") && numbers == 3 && name.ends_with(".meta")) {
      const std::string data = name.substr(0, name.size() - std::strlen(".meta"));
      const auto size = fs::file_size(folder + "/" + data, error);
      if (!error && size > 0) found.copies.push_back(name);
      error.clear();
    } else if (numbers == 2 && name.find_first_not_of("0123456789-") == name.npos) {
      found.closed.push_back(name);
    }
  }
  const auto by_numbers = [](const std::string& a, const std::string& b) {
    return numbers_in(a) < numbers_in(b);
  };
  for (auto* names : {&found.closed, &found.open, &found.copies}) {
    std::ranges::sort(*names, by_numbers);
  }
  return found;
}

Result<void> check_copy_head(const std::string& path) {
  const std::string bytes = ORCH_TRY(read_file(path, kMaxFileBytes));
  const bool good = bytes.size() >= kCopyHeadBytes && word_at(bytes, 0) == kFormat &&
                    word_at(bytes, 3 * kWord) == bytes.size() - kCopyHeadBytes &&
                    word_at(bytes, kWord) == crc32(std::string_view(bytes).substr(2 * kWord));
  if (good) return {};
  return damaged(path + " is damaged: it fails its checksum");
}

std::string metadata_path(const std::string& folder, size_t i) {
  return folder + "/metadata" + std::to_string(i + 1);
}

using Metadata = std::array<std::string, 2>;

Result<Metadata> read_metadata(const std::string& folder) {
  Metadata texts;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string path = metadata_path(folder, i);
    if (file_exists(path)) texts[i] = ORCH_TRY(read_file(path, kMaxFileBytes));
    // Shorter: a write that was interrupted.
    if (texts[i].size() < kMetadataBytes) texts[i].clear();
  }
  return texts;
}

Result<void> check_metadata(const std::string& folder) {
  const Metadata texts = ORCH_TRY(read_metadata(folder));
  if (metadata_fit(texts[0], texts[1])) return {};
  return damaged(folder + "/metadata1 and metadata2 are damaged: they don't fit each other");
}

// --- What was interrupted.

Result<void> sync_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<void> drop(const std::string& folder, const std::string& name, const std::string& why) {
  log::warning("store", folder + "/" + name + " is left out: " + why);
  if (::unlink((folder + "/" + name).c_str()) != 0) return system_error("remove " + name, errno);
  return sync_file(folder);
}

// A whole one before the one that was being written: who has it, with its numbers in `vote`, has
// confirmed nothing by the other.
Result<void> finish_metadata(const std::string& folder, const KnownLog& known) {
  const Metadata texts = ORCH_TRY(read_metadata(folder));
  if (!known.vote || metadata_fit(texts[0], texts[1])) return {};
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string &last = texts[i], &torn = texts[1 - i];
    if (!metadata_fit(i == 0 ? last : "", i == 1 ? last : "") || last.empty()) continue;
    const std::pair numbers(word_at(last, 2 * kWord), word_at(last, 3 * kWord));
    if (numbers != *known.vote || torn.empty()) continue;
    if (word_at(torn, kWord) < word_at(last, kWord)) continue;
    return drop(folder, "metadata" + std::to_string(2 - i), "a write that was interrupted");
  }
  return {};
}

struct Segment {
  std::string name;
  uint64_t first = 0, last = 0;
};

std::vector<Segment> closed_segments(const std::string& folder) {
  std::vector<Segment> segments;
  for (const std::string& name : list(folder).closed) {
    const auto numbers = numbers_in(name);
    segments.push_back({name, numbers[0], numbers[1]});
  }
  return segments;
}

Result<bool> is_whole(const std::string& folder, const Segment& segment) {
  const std::string bytes = ORCH_TRY(read_file(folder + "/" + segment.name, kMaxFileBytes));
  const SegmentFacts facts = read_segment(bytes);
  return facts.ends_in_zeros && facts.entries == segment.last - segment.first + 1;
}

// The rest of a file that was to be cut lies beside it: as if that had not begun.
Result<void> finish_rest(const std::string& folder) {
  const auto segments = closed_segments(folder);
  for (size_t i = 1; i < segments.size(); ++i) {
    const Segment &rest = segments[i - 1], &all = segments[i];
    if (rest.first != all.first || !ORCH_TRY(is_whole(folder, all))) continue;
    ORCH_TRY(drop(folder, rest.name, "its entries are in " + all.name));
  }
  return {};
}

// Of several files that were to be removed the first is gone. What this server is known to have
// was lowered before, to what is before the gap.
Result<void> finish_cut(const std::string& folder, const KnownLog& known, uint64_t copied) {
  uint64_t last = copied;
  bool has_gap = false;
  for (const Segment& segment : closed_segments(folder)) {
    has_gap = has_gap || segment.first > last + 1;
    if (has_gap && (last != known.reached || last < known.applied)) return {};
    if (has_gap) ORCH_TRY(drop(folder, segment.name, "another leader's entries replace it"));
    if (!has_gap) last = std::max(last, segment.last);
  }
  return {};
}

// Nothing but the copy is before a file without numbers, and the file begins before the copy ends.
Result<void> finish_open(const std::string& folder, uint64_t copied) {
  const Folder found = list(folder);
  if (!found.closed.empty() || found.open.empty()) return {};
  const std::string path = folder + "/" + found.open.front();
  const SegmentFacts facts = read_segment(ORCH_TRY(read_file(path, kMaxFileBytes)));
  if (facts.first == 0 || facts.first > copied || !facts.ends_in_zeros) return {};
  char name[64];
  std::snprintf(name, sizeof name, "%016" PRIu64 "-%016" PRIu64, facts.first,
                facts.first + facts.entries - 1);
  log::warning("store", path + " becomes " + name);
  if (::truncate(path.c_str(), static_cast<off_t>(facts.bytes)) != 0) {
    return system_error("truncate " + path, errno);
  }
  ORCH_TRY(sync_file(path));
  if (::rename(path.c_str(), (folder + "/" + name).c_str()) != 0) {
    return system_error("rename " + path, errno);
  }
  return sync_file(folder);
}

// All of the log ends before the copy.
Result<void> finish_copy(const std::string& folder, const KnownLog& known, uint64_t copied) {
  const Folder found = list(folder);
  const auto segments = closed_segments(folder);
  if (segments.empty() || segments.back().last >= copied || known.reached > copied) return {};
  if (!check_copy_head(folder + "/" + found.copies.back()).ok()) return {};
  for (const std::string& name : found.open) {
    const std::string bytes = ORCH_TRY(read_file(folder + "/" + name, kMaxFileBytes));
    if (!is_zero(bytes)) return {};
  }
  for (const Segment& segment : segments) {
    ORCH_TRY(drop(folder, segment.name, "a copy of the state replaces it"));
  }
  return {};
}

}  // namespace

SegmentFacts read_segment(std::string_view bytes) {
  SegmentFacts facts;
  if (bytes.size() < kWord) return facts;
  if (word_at(bytes, 0) == kFormat) {
    facts.bytes = kWord;
    while (add_batch(bytes.substr(facts.bytes), &facts)) {
    }
  }
  facts.ends_in_zeros = is_zero(bytes.substr(facts.bytes));
  return facts;
}

bool metadata_fit(std::string_view first, std::string_view second) {
  for (const std::string_view text : {first, second}) {
    if (text.empty()) continue;
    if (text.size() != kMetadataBytes || word_at(text, 0) != kFormat) return false;
    const bool is_odd = word_at(text, kWord) % 2 == 1;
    if (is_odd != (text.data() == first.data())) return false;
  }
  if (first.empty() || second.empty()) return true;
  const bool in_order = word_at(first, kWord) < word_at(second, kWord);
  const std::string_view before = in_order ? first : second, after = in_order ? second : first;
  if (word_at(before, kWord) + 1 != word_at(after, kWord)) return false;
  const uint64_t term_before = word_at(before, 2 * kWord), term = word_at(after, 2 * kWord);
  const uint64_t vote_before = word_at(before, 3 * kWord), vote = word_at(after, 3 * kWord);
  // A new term begins without a vote; in one term there is one.
  if (term > term_before) return vote == 0;
  return term == term_before && (vote_before == 0 || vote_before == vote);
}

uint64_t newest_copy(const std::string& folder) {
  const auto copies = list(folder).copies;
  return copies.empty() ? 0 : numbers_in(copies.back())[1];
}

Result<void> finish_log(const std::string& folder, const KnownLog& known) {
  const uint64_t copied = newest_copy(folder);
  ORCH_TRY(finish_metadata(folder, known));
  ORCH_TRY(finish_rest(folder));
  ORCH_TRY(finish_cut(folder, known, copied));
  ORCH_TRY(finish_open(folder, copied));
  return finish_copy(folder, known, copied);
}

Result<void> check_log(const std::string& folder, const KnownLog& known) {
  ORCH_TRY(check_metadata(folder));
  const Folder found = list(folder);
  uint64_t copied = 0;
  if (!found.copies.empty()) {
    ORCH_TRY(check_copy_head(folder + "/" + found.copies.back()));
    copied = numbers_in(found.copies.back())[1];
  }
  uint64_t last = found.closed.empty() ? copied : numbers_in(found.closed.back())[1];
  std::optional<Status> broken_off;
  for (const std::string& name : found.open) {
    const std::string path = folder + "/" + name;
    const SegmentFacts facts = read_segment(ORCH_TRY(read_file(path, kMaxFileBytes)));
    // The next file is begun when all is in the one before.
    if (broken_off && facts.entries > 0) return *broken_off;
    last += facts.entries;
    if (facts.ends_in_zeros || broken_off) continue;
    // A write that was interrupted, if nothing is known of it.
    broken_off = damaged(path + " is damaged: entry " + std::to_string(last + 1) +
                         ", which this server had, fails its checksum");
  }
  last = std::max(last, copied);
  if (broken_off && last < std::max(known.applied, known.reached)) return *broken_off;
  if (last >= known.reached) return {};
  return damaged(folder + " is damaged: the entries of the log from number " +
                 std::to_string(last + 1) + " to " + std::to_string(known.reached) + " are gone");
}

bool has_finished_entry(const std::string& folder, uint64_t index) {
  const auto closed = list(folder).closed;
  return !closed.empty() && numbers_in(closed.back())[1] >= index;
}

Result<void> check_segments(const std::string& folder) {
  const Folder found = list(folder);
  for (const std::string& name : found.closed) {
    const std::string path = folder + "/" + name;
    const SegmentFacts facts = read_segment(ORCH_TRY(read_file(path, kMaxFileBytes)));
    const auto range = numbers_in(name);
    if (facts.ends_in_zeros && facts.entries == range[1] - range[0] + 1) continue;
    return damaged(path + " is damaged: entry " + std::to_string(range[0] + facts.entries) +
                   " fails its checksum");
  }
  return {};
}

}  // namespace orch::store
