// `orch secrets-encrypt status|rotate-keys|reencrypt`: the encryption of Secrets on disk.
//
// It works on the files, as root, and never on a store that is in use: a single server that runs
// takes a changed file up by itself (apiserver/live_encryption.h), others when they start, and each
// seals with the new secret all that lies there. So the server needs no door through which a secret
// could be changed.
#include <cstdio>
#include <map>

#include "api/schema.h"
#include "base/clock.h"
#include "base/files.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "server/apiserver/encryption.h"
#include "server/cluster/enrollment.h"
#include "store/scan.h"
#include "store/store.h"
#include "store/table.h"

namespace orch::cli {

namespace {

using apiserver::Encryption;

struct Place {
  std::string config_path, store_dir;
  api::Value config;
  Encryption encryption;
};

Result<Place> open_place(const EncryptOptions& options) {
  const std::string path = options.encryption_config.empty()
                               ? apiserver::encryption_config_path(options.data_dir)
                               : options.encryption_config;
  if (!file_exists(path)) return not_found(path + " is not there: a server makes it as it starts");
  const api::Schema& schema = api::Schema::builtin();
  api::Value config =
      ORCH_TRY(apiserver::open_encryption_config(path, system_clock(), system_random()));
  Encryption encryption = ORCH_TRY(Encryption::create(config, path, schema, system_random()));
  return Place{path, options.data_dir + "/server/db", std::move(config), std::move(encryption)};
}

// How many values of the covered kinds lie there, by the secret that sealed them.
Result<void> print_status(const Place& place) {
  std::map<std::string, size_t, std::less<>> counts;
  size_t stale = 0;
  ORCH_TRY(
      store::scan_database(place.store_dir, [&](std::string_view key, std::string_view stored) {
        const std::string_view secret = Encryption::secret_of(stored);
        if (secret.empty() && place.encryption.sealing_secret(key).empty()) return;
        ++counts[std::string(secret)];
        stale += place.encryption.is_stale(key, stored) ? 1 : 0;
      }));
  const std::string_view active = place.encryption.sealing_secret("/secrets/");
  std::printf("Encryption: %s\nConfiguration: %s\n", active.empty() ? "off" : "AES-GCM",
              place.config_path.c_str());
  std::printf("Active secret: %s\n", active.empty() ? "none" : std::string(active).c_str());
  for (const auto& [secret, count] : counts) {
    std::printf("  %zu values %s%s\n", count, secret.empty() ? "not encrypted" : "encrypted with ",
                secret.c_str());
  }
  if (stale > 0) std::printf("%zu values are not encrypted with it yet\n", stale);
  return {};
}

bool is_in_use(const std::string& store_dir) {
  return file_exists(store_dir) && !store::lock_directory(store_dir);
}

// What becomes of the new secret. Several servers must all know it before one of them seals with
// it: what a server can't open it can't take part in.
Result<const char*> next_step(const EncryptOptions& options, const Place& place) {
  if (!ORCH_TRY(cluster::read_enrollment(options.data_dir))) {
    if (file_exists(store::database_path(place.store_dir)))
      return "a server that runs takes it up now and encrypts all with it, another at its start; "
             "`orch secrets-encrypt status` shows how far that is";
    return "copy that file to all servers that keep their state in the same etcd, and only then "
           "restart them: each takes the secret up at its start";
  }
  if (is_in_use(place.store_dir))
    return conflict(
        "this server runs, and is one of several, which could not read what it encrypts with a "
        "secret that they don't have: stop all of them, run this on one, copy " +
        place.config_path + " to the others, and start them");
  return "copy that file to all other servers, and only then start them: they could not read what "
         "this one encrypts";
}

Result<void> rotate_keys(const EncryptOptions& options, Place place) {
  const char* const next = ORCH_TRY(next_step(options, place));
  api::Value config =
      ORCH_TRY(apiserver::rotated(std::move(place.config), system_clock(), system_random()));
  const Encryption encryption = ORCH_TRY(
      Encryption::create(config, place.config_path, api::Schema::builtin(), system_random()));
  ORCH_TRY(apiserver::write_encryption_config(place.config_path, config));
  std::printf("new secret %s in %s\n", std::string(encryption.sealing_secret("/secrets/")).c_str(),
              place.config_path.c_str());
  std::printf("%s\n", next);
  return {};
}

// Opening the store is what does it.
Result<void> reencrypt(const Place& place) {
  store::Options options;
  options.directory = place.store_dir;
  options.cipher = &place.encryption;
  const auto store = ORCH_TRY(store::Store::open(
      std::move(options), [](std::string_view, std::string_view) { return store::Tags{}; }));
  store->close();
  return print_status(place);
}

Result<void> run(const EncryptOptions& options) {
  Place place = ORCH_TRY(open_place(options));
  switch (options.step) {
    case EncryptOptions::Step::status:
      return print_status(place);
    case EncryptOptions::Step::rotate_keys:
      return rotate_keys(options, std::move(place));
    case EncryptOptions::Step::reencrypt:
      return reencrypt(place);
  }
  return {};
}

}  // namespace

int run_secrets_encrypt(const EncryptOptions& options) {
  const auto ran = run(options);
  return ran ? 0 : fail(ran.status());
}

}  // namespace orch::cli
