// `orch secrets-encrypt status|rotate-keys|reencrypt`: the encryption of Secrets on disk.
//
// It works on the files, as root, and never on a store that is in use: a new secret is taken up
// when the server starts, which also seals with it all that lies there (pods run on meanwhile). So
// the server needs no door through which a secret could be changed.
#include <cstdio>
#include <map>

#include "api/schema.h"
#include "base/clock.h"
#include "base/files.h"
#include "cli/process.h"
#include "cli/verbs.h"
#include "server/apiserver/encryption.h"
#include "store/scan.h"
#include "store/store.h"

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
  if (stale > 0) std::printf("%zu values wait for a reencrypt or a restart of the server\n", stale);
  return {};
}

Result<void> rotate_keys(Place place) {
  api::Value config =
      ORCH_TRY(apiserver::rotated(std::move(place.config), system_clock(), system_random()));
  const Encryption encryption = ORCH_TRY(
      Encryption::create(config, place.config_path, api::Schema::builtin(), system_random()));
  ORCH_TRY(apiserver::write_encryption_config(place.config_path, config));
  std::printf("new secret %s in %s\n", std::string(encryption.sealing_secret("/secrets/")).c_str(),
              place.config_path.c_str());
  std::printf("restart the server: it takes the secret up and encrypts all with it\n");
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
      return rotate_keys(std::move(place));
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
