#include "store/log_check.h"

#include <endian.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "store/damage.h"

namespace orch::store {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1u << 30;
constexpr size_t kWord = 8;
constexpr size_t kMetadataBytes = 4 * kWord;  // Format, version, term, vote.
constexpr size_t kCopyHeadBytes = 4 * kWord;  // Format, checksum, entry, length of what follows.
constexpr size_t kEntryHeadBytes = 2 * kWord;
constexpr uint64_t kFormat = 1;

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

// CRC-32 with the highest bit first, as libraft has it.
constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte << 24;
    for (int bit = 0; bit < 8; ++bit) value = value << 1 ^ ((value >> 31) != 0 ? 0x04c11db7 : 0);
    table[byte] = value;
  }
  return table;
}

uint32_t crc(std::string_view bytes) {
  static constexpr auto kTable = crc_table();
  uint32_t value = 0;
  for (const char byte : bytes) {
    value = value << 8 ^ kTable[value >> 24 ^ static_cast<unsigned char>(byte)];
  }
  return value;
}

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

// Checksums of head and data, the number of entries, for each its term, kind and length; the data.
// Gives the batch's length; nothing when it isn't whole.
std::optional<size_t> batch_length(std::string_view bytes, uint64_t* entries) {
  if (bytes.size() < 2 * kWord) return std::nullopt;
  *entries = word_at(bytes, kWord);
  if (*entries == 0 || *entries > (bytes.size() - 2 * kWord) / kEntryHeadBytes) return std::nullopt;
  const size_t data = 2 * kWord + *entries * kEntryHeadBytes;
  if (crc(bytes.substr(kWord, data - kWord)) != half_at(bytes, 0)) return std::nullopt;
  size_t end = data;
  for (size_t head = 2 * kWord; head < data; head += kEntryHeadBytes) {
    end += (half_at(bytes, head + 12) + kWord - 1) / kWord * kWord;
  }
  if (end > bytes.size() || crc(bytes.substr(data, end - data)) != half_at(bytes, 4)) {
    return std::nullopt;
  }
  return end;
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
                    word_at(bytes, kWord) == crc(std::string_view(bytes).substr(2 * kWord));
  if (good) return {};
  return damaged(path + " is damaged: it fails its checksum");
}

Result<void> check_metadata(const std::string& folder) {
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    const std::string path = folder + "/metadata" + std::to_string(i + 1);
    if (file_exists(path)) texts[i] = ORCH_TRY(read_file(path, kMaxFileBytes));
    // Shorter: a write that was interrupted.
    if (texts[i].size() < kMetadataBytes) texts[i].clear();
  }
  if (metadata_fit(texts[0], texts[1])) return {};
  return damaged(folder + "/metadata1 and metadata2 are damaged: they don't fit each other");
}

}  // namespace

SegmentFacts read_segment(std::string_view bytes) {
  SegmentFacts facts;
  if (bytes.size() < kWord) return facts;
  if (word_at(bytes, 0) != kFormat) {
    facts.ends_in_zeros = is_zero(bytes);
    return facts;
  }
  bytes.remove_prefix(kWord);
  uint64_t entries = 0;
  while (const auto length = batch_length(bytes, &entries)) {
    facts.entries += entries;
    bytes.remove_prefix(*length);
  }
  facts.ends_in_zeros = is_zero(bytes);
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

Result<void> check_log(const std::string& folder, uint64_t applied, uint64_t reached) {
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
  if (broken_off && last < std::max(applied, reached)) return *broken_off;
  if (last >= reached) return {};
  return damaged(folder + " is damaged: the entries of the log from number " +
                 std::to_string(last + 1) + " to " + std::to_string(reached) + " are gone");
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
