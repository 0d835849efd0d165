#include "store/state_copy.h"

#include <charconv>

#include "base/check.h"
#include "store/checksum.h"
#include "store/cipher.h"
#include "store/packing.h"

namespace orch::store {

// format, progress, revision, count, (create revision, revision, row, the revision's place, key,
// bytes)*, zeros up to a multiple of 8, checksum (8 bytes).
namespace {

constexpr uint64_t kFormat = 1;
constexpr size_t kChecksumBytes = 8;

void pack_head(const Record& record, size_t stored_bytes, std::string* out) {
  pack_number(static_cast<uint64_t>(record.create_revision), out);
  pack_number(static_cast<uint64_t>(record.revision), out);
  pack_number(static_cast<uint64_t>(record.row), out);
  pack_number(record.revision_at, out);
  pack_text(record.key, out);
  pack_number(stored_bytes, out);
}

// Adds what it reads to `sum` piece by piece, as the pieces were made.
Result<RecordPtr> unpack_record(Unpacking* from, const Store::Tagger& tagger, const Cipher* cipher,
                                std::string_view* unsummed, Checksum* sum) {
  Record::Parts parts;
  parts.create_revision = static_cast<int64_t>(from->number());
  parts.revision = static_cast<int64_t>(from->number());
  parts.row = static_cast<int64_t>(from->number());
  parts.revision_at = static_cast<uint32_t>(from->number());
  parts.key = from->text();
  const uint64_t length = from->number();
  sum->add(unsummed->substr(0, unsummed->size() - from->rest().size()));
  const std::string_view stored = from->take(length);
  if (!stored.empty()) sum->add(stored);
  *unsummed = from->rest();
  std::optional<std::string> opened;
  if (cipher && from->ok()) opened = ORCH_TRY(cipher->open(parts.key, stored));
  const std::string_view bytes = opened ? *opened : stored;
  const size_t digits = std::to_string(parts.revision).size();
  if (!from->ok() || parts.revision_at + digits > bytes.size()) {
    return internal_error("the copy of the state is damaged near " + std::string(parts.key));
  }
  std::string without_digits(bytes);
  without_digits.erase(parts.revision_at, digits);
  parts.bytes = without_digits;
  return Record::make(parts, tagger(parts.key, bytes));
}

}  // namespace

StateCopy::StateCopy(std::vector<RecordPtr> records, int64_t revision, const Progress& progress,
                     const Cipher* cipher)
    : records_(std::move(records)) {
  std::vector<size_t> ends;  // Of the heads, in heads_.
  ends.reserve(records_.size() + 1);
  pack_number(kFormat, &heads_);
  pack_text(progress.encode(), &heads_);
  pack_number(static_cast<uint64_t>(revision), &heads_);
  pack_number(records_.size(), &heads_);
  size_t bytes = 0;
  std::vector<std::string_view> stored;
  stored.reserve(records_.size());
  for (const RecordPtr& record : records_) {
    auto sealed = cipher ? cipher->seal(record->key, record->bytes) : std::nullopt;
    if (sealed) sealed_.push_back(*std::move(sealed));
    stored.push_back(sealed ? sealed_.back() : record->bytes);
    pack_head(*record, stored.back().size(), &heads_);
    ends.push_back(heads_.size());
    bytes += stored.back().size();
  }
  heads_.append((8 - (heads_.size() + bytes) % 8) % 8, '\0');
  const size_t tail = heads_.size();
  heads_.append(kChecksumBytes, '\0');

  size_t begin = 0;
  for (size_t i = 0; i < records_.size(); begin = ends[i++]) {
    pieces_.push_back(std::string_view(heads_).substr(begin, ends[i] - begin));
    if (!stored[i].empty()) pieces_.push_back(stored[i]);
  }
  if (tail > begin) pieces_.push_back(std::string_view(heads_).substr(begin, tail - begin));

  Checksum sum;
  for (const std::string_view piece : pieces_) sum.add(piece);
  const uint64_t value = htole64(static_cast<uint64_t>(sum.value()));
  std::memcpy(heads_.data() + tail, &value, sizeof value);
  pieces_.push_back(std::string_view(heads_).substr(tail));
}

Result<Progress> progress_of(std::string_view copy) {
  Unpacking from(copy);
  if (from.number() != kFormat) {
    return internal_error("the copy of the state has a format that this program doesn't know");
  }
  return Progress::decode(from.text());
}

Result<State> read_state(std::string_view copy, const Store::Tagger& tagger, const Cipher* cipher) {
  const Status damaged = internal_error("the copy of the state is damaged");
  if (copy.size() < kChecksumBytes) return damaged;
  State state;
  state.progress = ORCH_TRY(progress_of(copy));
  uint64_t expected = 0;
  std::memcpy(&expected, copy.data() + copy.size() - kChecksumBytes, kChecksumBytes);
  copy.remove_suffix(kChecksumBytes);

  Unpacking from(copy);
  std::string_view unsummed = copy;
  from.number();
  from.text();
  state.revision = static_cast<int64_t>(from.number());
  const uint64_t count = from.number();
  Checksum sum;
  for (uint64_t i = 0; i < count && from.ok(); ++i) {
    state.records.push_back(ORCH_TRY(unpack_record(&from, tagger, cipher, &unsummed, &sum)));
  }
  if (!from.ok() || from.rest().size() >= 8) return damaged;
  if (!unsummed.empty()) sum.add(unsummed);
  if (static_cast<uint64_t>(sum.value()) != le64toh(expected)) return damaged;
  return state;
}

}  // namespace orch::store
