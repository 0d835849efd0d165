#include "server/apiserver/live_encryption.h"

#include "base/log.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

Result<std::shared_ptr<const Encryption>> parse(const api::Value& config, const std::string& path,
                                                Random& random) {
  return std::make_shared<const Encryption>(
      ORCH_TRY(Encryption::create(config, path, api::Schema::builtin(), random)));
}

// The record as it stands, to be written again unless somebody else does so first.
store::Write again(const store::Record& record) {
  store::Write write;
  write.key = record.key;
  write.bytes = record.bytes.substr(0, record.revision_at);
  write.bytes->append(record.bytes.substr(record.revision_at + record.revision_len));
  write.revision_at = record.revision_at;
  write.expected_revision = record.revision;
  write.tags = tags_of_stored(api::Schema::builtin(), write.key, *write.bytes);
  return write;
}

// What was sealed before this call is visible when it comes back: writes are answered in order.
void wait_for_writes(store::Store& store) {
  store::Write nothing;
  nothing.key = "/nothing";
  static_cast<void>(store.commit(std::move(nothing)));  // Not found.
}

}  // namespace

Result<std::unique_ptr<LiveEncryption>> LiveEncryption::open(const std::string& path,
                                                             const Clock& clock, Random& random) {
  const api::Value config = ORCH_TRY(open_encryption_config(path, clock, random));
  Shared first = ORCH_TRY(parse(config, path, random));
  return std::unique_ptr<LiveEncryption>(new LiveEncryption(path, random, std::move(first)));
}

LiveEncryption::Shared LiveEncryption::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<void> LiveEncryption::take_up(store::Store& store) {
  const Shared before = current();
  const Shared after = ORCH_TRY(parse(ORCH_TRY(read_encryption_config(path_)), path_, random_));
  if (*after == *before) return {};
  if (!store.alone()) {
    return conflict(path_ +
                    " is not taken up before the next start: this server is one of several "
                    "by now, and the others could not read what it encrypts");
  }
  if (const std::string missing = after->missing_of(*before); !missing.empty()) {
    return bad_request(path_ + " is not taken up before the next start: the secret \"" + missing +
                       "\", which values may be encrypted with, is missing there or another");
  }
  {
    const std::lock_guard lock(mutex_);
    current_ = after;
  }
  log::info("apiserver", "taken up " + path_);
  const size_t count = ORCH_TRY(seal_anew(*before, *after, store));
  log::info("apiserver", "encrypted " + std::to_string(count) + " values anew");
  return {};
}

Result<size_t> LiveEncryption::seal_anew(const Encryption& before, const Encryption& after,
                                         store::Store& store) {
  size_t count = 0;
  wait_for_writes(store);
  for (const std::string& folder : after.folders_beside(before)) {
    if (before.sealing_secret(folder) == after.sealing_secret(folder)) continue;
    const store::Range range = ORCH_TRY(store.range({folder, "", 0, 0}));
    for (const store::RecordPtr& record : range.records) {
      if (stopping_) return service_unavailable("the next start encrypts the rest");
      const auto written = store.commit(again(*record));
      // Who has changed it meanwhile has sealed it, too.
      const bool changed =
          !written && (written.status().conflict() || written.status().not_found());
      if (!written && !changed) return written.status();
      ++count;
    }
  }
  return count;
}

Result<void> LiveEncryption::follow(store::Store& store) {
  watch_ = ORCH_TRY(FileWatch::start(path_, [this, &store] {
    const Result<void> taken = take_up(store);
    if (!taken) log::error("apiserver", "secrets: " + taken.status().message);
  }));
  return {};
}

void LiveEncryption::stop() {
  stopping_ = true;
  watch_.reset();
}

}  // namespace orch::apiserver
