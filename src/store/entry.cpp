#include "store/entry.h"

#include <endian.h>

#include <cstring>

#include "store/cipher.h"
#include "store/damage.h"
#include "store/packing.h"

namespace orch::store {

namespace {

// format, index, term: 8 bytes each, little-endian, so that they can be stamped in place.
constexpr uint64_t kFormat = 1;
constexpr size_t kHeadBytes = 24;

// Flags of a write.
constexpr uint64_t kHasBytes = 1, kHasExpected = 2, kHasTerm = 4, kHasCounted = 8, kRelaxed = 16;

void put_word(char* at, uint64_t word) {
  word = htole64(word);
  std::memcpy(at, &word, sizeof word);
}

uint64_t get_word(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return le64toh(word);
}

Write unpack_write(Unpacking* from) {
  Write write;
  const uint64_t flags = from->number();
  write.key = from->text();
  if ((flags & kRelaxed) != 0) write.durability = Durability::relaxed;
  if ((flags & kHasBytes) != 0) {
    write.bytes = from->text();
    write.revision_at = static_cast<uint32_t>(from->number());
  }
  if ((flags & kHasExpected) != 0) write.expected_revision = static_cast<int64_t>(from->number());
  if ((flags & kHasTerm) != 0) write.only_in_term = from->number();
  if ((flags & kHasCounted) != 0) {
    write.counted.emplace();
    write.counted->prefix = from->text();
    write.counted->revision = static_cast<int64_t>(from->number());
  }
  return write;
}

void pack_write(const Write& write, const Cipher* cipher, std::string* out) {
  const auto& expected = write.expected_revision;
  const auto& term = write.only_in_term;
  const auto& counted = write.counted;
  pack_number((write.bytes ? kHasBytes : 0) | (expected ? kHasExpected : 0) |
                  (term ? kHasTerm : 0) | (counted ? kHasCounted : 0) |
                  (write.durability == Durability::relaxed ? kRelaxed : 0),
              out);
  pack_text(write.key, out);
  if (write.bytes) {
    const auto sealed = cipher ? cipher->seal(write.key, *write.bytes) : std::nullopt;
    pack_text(sealed ? *sealed : *write.bytes, out);
    pack_number(write.revision_at, out);
  }
  if (expected) pack_number(static_cast<uint64_t>(*expected), out);
  if (term) pack_number(*term, out);
  if (!counted) return;
  pack_text(counted->prefix, out);
  pack_number(static_cast<uint64_t>(counted->revision), out);
}

Result<void> open_write(const Cipher* cipher, Write* write) {
  if (cipher && write->bytes) {
    auto opened = ORCH_TRY(cipher->open(write->key, *write->bytes));
    if (opened) write->bytes = *std::move(opened);
  }
  if (write->bytes && write->revision_at > write->bytes->size()) {
    return damaged("an entry of the log is damaged: " + write->key);
  }
  return {};
}

}  // namespace

std::string encode_entry(const Origin& origin, std::span<const Write* const> writes,
                         const Cipher* cipher) {
  std::string out(kHeadBytes, '\0');
  put_word(out.data(), kFormat);
  pack_number(origin.server, &out);
  pack_number(origin.boot, &out);
  pack_number(origin.number, &out);
  pack_number(writes.size(), &out);
  for (const Write* write : writes) pack_write(*write, cipher, &out);
  out.resize((out.size() + 7) / 8 * 8);
  return out;
}

Result<Entry> decode_entry(std::string_view bytes, const Cipher* cipher) {
  if (bytes.size() < kHeadBytes) return damaged("an entry of the log is too short");
  if (get_word(bytes.data()) != kFormat) {
    return bad_request("an entry of the log has a format that this program doesn't know");
  }
  Entry entry;
  entry.index = get_word(bytes.data() + 8);
  entry.term = get_word(bytes.data() + 16);
  Unpacking from(bytes.substr(kHeadBytes));
  entry.origin.server = from.number();
  entry.origin.boot = from.number();
  entry.origin.number = from.number();
  const uint64_t count = from.number();
  for (uint64_t i = 0; i < count && from.ok(); ++i) entry.writes.push_back(unpack_write(&from));
  if (!from.ok() || from.rest().size() >= 8) return damaged("an entry of the log is damaged");
  for (Write& write : entry.writes) ORCH_TRY(open_write(cipher, &write));
  return entry;
}

void stamp_entry(char* bytes, uint64_t index, uint64_t term) {
  put_word(bytes + 8, index);
  put_word(bytes + 16, term);
}

uint64_t stamped_index(std::string_view bytes) {
  if (bytes.size() < kHeadBytes || get_word(bytes.data()) != kFormat) return 0;
  return get_word(bytes.data() + 8);
}

Origin Progress::last_of(uint64_t server) const {
  const auto found = last_.find(server);
  return found == last_.end() ? Origin{.server = server} : found->second;
}

Progress::Turn Progress::look_at(const Origin& origin) const {
  const Origin last = last_of(origin.server);
  if (origin.boot < last.boot) return Turn::repeated;
  const uint64_t before = origin.boot == last.boot ? last.number : 0;
  if (origin.number == before + 1) return Turn::next;
  return origin.number <= before ? Turn::repeated : Turn::early;
}

void Progress::accept(const Origin& origin) { last_[origin.server] = origin; }

std::string Progress::encode() const {
  std::string out;
  pack_number(index, &out);
  pack_number(term, &out);
  pack_number(last_.size(), &out);
  for (const auto& [server, last] : last_) {
    pack_number(server, &out);
    pack_number(last.boot, &out);
    pack_number(last.number, &out);
  }
  return out;
}

Result<Progress> Progress::decode(std::string_view bytes) {
  Progress progress;
  Unpacking from(bytes);
  progress.index = from.number();
  progress.term = from.number();
  const uint64_t count = from.number();
  for (uint64_t i = 0; i < count && from.ok(); ++i) {
    Origin last{.server = from.number(), .boot = from.number(), .number = from.number()};
    progress.accept(last);
  }
  if (!from.ok() || !from.rest().empty()) return damaged("the progress is damaged");
  return progress;
}

}  // namespace orch::store
