#include "store/state_copy.h"

#include <charconv>

#include "base/check.h"
#include "store/checksum.h"
#include "store/cipher.h"
#include "store/damage.h"
#include "store/packing.h"

namespace orch::store {

// format, progress, revision, count, (create revision, revision, row, the revision's place, key,
// bytes)*, zeros up to a multiple of 8, checksum (8 bytes).
namespace {

constexpr uint64_t kFormat = 1, kMarkFormat = 2;
constexpr size_t kLikelyHeadBytes = 80;

void pack_head(const Record& record, size_t stored_bytes, std::string* out) {
  pack_number(static_cast<uint64_t>(record.create_revision), out);
  pack_number(static_cast<uint64_t>(record.revision), out);
  pack_number(static_cast<uint64_t>(record.row), out);
  pack_number(record.revision_at, out);
  pack_text(record.key, out);
  pack_number(stored_bytes, out);
}

Record::Parts unpack_parts(Unpacking* from) {
  Record::Parts parts;
  parts.create_revision = static_cast<int64_t>(from->number());
  parts.revision = static_cast<int64_t>(from->number());
  parts.row = static_cast<int64_t>(from->number());
  parts.revision_at = static_cast<uint32_t>(from->number());
  parts.key = from->text();
  parts.bytes = from->text();  // As it is stored.
  return parts;
}

Result<RecordPtr> unpack_record(Unpacking* from, const Store::Tagger& tagger,
                                const Cipher* cipher) {
  Record::Parts parts = unpack_parts(from);
  std::optional<std::string> opened;
  if (cipher) opened = ORCH_TRY(cipher->open(parts.key, parts.bytes));
  const std::string_view bytes = opened ? *opened : parts.bytes;
  const size_t digits = std::to_string(parts.revision).size();
  if (parts.revision_at + digits > bytes.size()) {
    return damaged("the copy of the state is damaged near " + std::string(parts.key));
  }
  std::string without_digits(bytes);
  without_digits.erase(parts.revision_at, digits);
  parts.bytes = without_digits;
  return Record::make(parts, tagger(parts.key, bytes));
}

}  // namespace

std::string encode_mark(const TableMark& mark) {
  std::string bytes;
  pack_number(kMarkFormat, &bytes);
  pack_number(mark.entry, &bytes);
  pack_number(mark.on_disk, &bytes);
  bytes.resize((bytes.size() + 7) / 8 * 8);
  Checksum sum;
  sum.add(bytes);
  return bytes + sum.bytes();
}

Result<std::optional<TableMark>> decode_mark(std::string_view bytes) {
  Unpacking from(bytes);
  if (from.number() != kMarkFormat) return std::optional<TableMark>();
  TableMark mark;
  mark.entry = from.number();
  mark.on_disk = from.number();
  if (from.ok() && encode_mark(mark) == bytes) return std::optional(mark);
  return damaged("what the log says of the table is damaged: it fails its checksum");
}

StateCopy::StateCopy(std::vector<RecordPtr> records, int64_t revision, const Progress& progress,
                     const Cipher* cipher)
    : records_(std::move(records)) {
  std::vector<size_t> ends;  // Of the heads, in heads_.
  std::vector<std::string_view> stored;
  ends.reserve(records_.size() + 1);
  stored.reserve(records_.size());
  heads_.reserve((records_.size() + 1) * kLikelyHeadBytes);
  pack_number(kFormat, &heads_);
  pack_text(progress.encode(), &heads_);
  pack_number(static_cast<uint64_t>(revision), &heads_);
  pack_number(records_.size(), &heads_);
  Checksum sum;  // Each record's is added while its bytes are at hand.
  size_t begin = 0, bytes = 0;
  for (const RecordPtr& record : records_) {
    auto sealed = cipher ? cipher->seal(record->key, record->bytes) : std::nullopt;
    if (sealed) sealed_.push_back(*std::move(sealed));
    stored.push_back(sealed ? sealed_.back() : record->bytes);
    pack_head(*record, stored.back().size(), &heads_);
    ends.push_back(heads_.size());
    sum.add(std::string_view(heads_).substr(begin));
    if (!stored.back().empty()) sum.add(stored.back());
    begin = heads_.size();
    bytes += stored.back().size();
  }
  heads_.append((8 - (heads_.size() + bytes) % 8) % 8, '\0');
  const size_t tail = heads_.size();
  if (tail > begin) sum.add(std::string_view(heads_).substr(begin));
  heads_ += sum.bytes();

  pieces_.reserve(2 * records_.size() + 2);
  begin = 0;
  for (size_t i = 0; i < records_.size(); begin = ends[i++]) {
    pieces_.push_back(std::string_view(heads_).substr(begin, ends[i] - begin));
    if (!stored[i].empty()) pieces_.push_back(stored[i]);
  }
  if (tail > begin) pieces_.push_back(std::string_view(heads_).substr(begin, tail - begin));
  pieces_.push_back(std::string_view(heads_).substr(tail));
}

Result<Progress> progress_of(std::string_view copy) {
  Unpacking from(copy);
  if (from.number() != kFormat) {
    return internal_error("the copy of the state has a format that this program doesn't know");
  }
  return Progress::decode(from.text());
}

Result<void> check_copy(std::string_view copy) {
  const Status wrong = damaged("the copy of the state is damaged: it fails its checksum");
  if (copy.size() < Checksum::kBytes) return wrong;
  const std::string_view expected = copy.substr(copy.size() - Checksum::kBytes);
  copy.remove_suffix(Checksum::kBytes);
  // Added piece by piece, as the pieces were made.
  Unpacking from(copy);
  std::string_view unsummed = copy;
  from.number();
  from.text();
  from.number();
  Checksum sum;
  for (uint64_t count = from.number(); count > 0 && from.ok(); --count) {
    const std::string_view stored = unpack_parts(&from).bytes;
    if (!from.ok()) return wrong;
    const size_t head = unsummed.size() - from.rest().size() - stored.size();
    sum.add(unsummed.substr(0, head));
    if (!stored.empty()) sum.add(stored);
    unsummed = from.rest();
  }
  if (!from.ok() || from.rest().size() >= 8) return wrong;
  if (!unsummed.empty()) sum.add(unsummed);
  return sum.bytes() == expected ? Result<void>() : wrong;
}

Result<State> read_state(std::string_view copy, const Store::Tagger& tagger, const Cipher* cipher) {
  ORCH_TRY(check_copy(copy));
  State state;
  state.progress = ORCH_TRY(progress_of(copy));
  Unpacking from(copy);
  from.number();
  from.text();
  state.revision = static_cast<int64_t>(from.number());
  for (uint64_t count = from.number(); count > 0; --count) {
    state.records.push_back(ORCH_TRY(unpack_record(&from, tagger, cipher)));
  }
  return state;
}

}  // namespace orch::store
