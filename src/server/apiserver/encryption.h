// encryption: values of some kinds (Secrets) lie on disk only sealed with AES-256-GCM. The secrets
// to do so are in a file of Kubernetes' form, an EncryptionConfiguration with the providers aesgcm
// and identity; it is made at the first start. A stored value is
//
//   k8s:enc:aesgcm:v1:<name of the secret>:<nonce><ciphertext><tag>
//
// bound to the key under which it is stored, so that no row can stand in for another. The first
// secret seals, all of them open; whatever was sealed with another than the first is sealed anew
// when the store is opened, or by live_encryption.h. With identity first nothing is sealed.
//
// The file is worth as much as what it protects, and a copy of the database is worth nothing
// without it. Follows "Encrypting Confidential Data at Rest" of Kubernetes' documentation.
#pragma once

#include <string>
#include <vector>

#include "api/schema.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/cipher.h"

namespace orch::apiserver {

inline constexpr size_t kMaxEncryptionConfigBytes = 256u << 10;

// Where the file is when nobody says: in the data directory.
std::string encryption_config_path(const std::string& data_dir);

// Reads the file, or makes it with a new secret for the kind Secret. One that others than its owner
// can read is refused. Blocking.
Result<api::Value> open_encryption_config(const std::string& path, const Clock& clock,
                                          Random& random);
// The same of a file that is there; else 404.
Result<api::Value> read_encryption_config(const std::string& path);
Result<void> write_encryption_config(const std::string& path, const api::Value& config);
// The same with a new secret before the others in every aesgcm provider. PURE but for `random`.
Result<api::Value> rotated(api::Value config, const Clock& clock, Random& random);

class Encryption final : public store::Cipher {
 public:
  // 400 with the path of what is wrong. `file` is what errors call the configuration.
  static Result<Encryption> create(const api::Value& config, const std::string& file,
                                   const api::Schema& schema, Random& random);

  std::optional<std::string> seal(std::string_view key, std::string_view value) const override;
  Result<std::optional<std::string>> open(std::string_view key,
                                          std::string_view stored) const override;
  bool is_stale(std::string_view key, std::string_view stored) const override;

  // The secret's name that seals values beneath this key, "" when none does.
  std::string_view sealing_secret(std::string_view key) const;
  // The secret's name that sealed this, "" when it isn't sealed.
  static std::string_view secret_of(std::string_view stored);

  bool operator==(const Encryption& other) const { return rules_ == other.rules_; }
  // The name of a secret of the other one's that this one lacks; "" when there is none.
  std::string missing_of(const Encryption& other) const;
  // The folders of the kinds that this one or the other covers, each once.
  std::vector<std::string> folders_beside(const Encryption& other) const;

 private:
  struct Secret {
    std::string name, key;
    bool operator==(const Secret&) const = default;
  };
  struct Rule {
    std::vector<std::string> folders;  // "/secrets/"
    std::vector<Secret> secrets;       // The first seals, unless identity comes before all.
    bool seals = false;
    bool operator==(const Rule&) const = default;
  };
  Encryption(std::vector<Rule> rules, std::string file, Random& random)
      : rules_(std::move(rules)), file_(std::move(file)), random_(&random) {}
  static Result<Rule> parse_rule(const api::Value& entry, const api::Schema& schema);
  static Result<void> parse_provider(const api::Value& provider, Rule* rule);
  const Rule* rule_of(std::string_view key) const;
  const Secret* find_secret(std::string_view name) const;

  std::vector<Rule> rules_;
  std::string file_;
  Random* random_;
};

}  // namespace orch::apiserver
