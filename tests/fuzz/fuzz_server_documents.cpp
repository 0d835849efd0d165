// What servers of a cluster tell each other as documents: the contacts that travel in a header and
// lie in a file, and the welcome that a newcomer gets. Whatever they say, no file is written but
// those that servers share, and what was read is told on as it was.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "server/cluster/contacts.h"
#include "server/cluster/identity.h"
#include "server/cluster/welcome.h"

using namespace orch;
using namespace orch::cluster;

namespace {

constexpr std::string_view secret = "secret", nonce = "nonce";

// As welcome.cpp seals: who knows the secret may say anything.
std::string sealed(std::string_view plain) {
  const std::string key = crypto::sha256_bytes("orch welcome\n" + std::string(secret));
  return base64_encode(
      crypto::aead_seal(key, std::string(crypto::kAeadNonceBytes, '\0'), plain, nonce));
}

void check_contacts(std::string_view text) {
  const auto contacts = parse_contacts(text);
  if (!contacts.ok()) {
    ORCH_CHECK(contacts.status().code == 400);
    return;
  }
  ORCH_CHECK(contacts->size() <= kMaxContacts);
  for (const Contact& contact : *contacts) {
    ORCH_CHECK(contact.server != 0 && contact.edition != 0);
    ORCH_CHECK(is_plain(contact.name) && is_plain(contact.address));
  }
  const std::string again = render_contacts(*contacts);
  ORCH_CHECK(again.find_first_of("\r\n") == again.npos);  // It travels in a header.
  if (again.size() <= kMaxContactsBytes) ORCH_CHECK(parse_contacts(again).value() == *contacts);
}

void check_welcome(std::string_view plain) {
  const auto welcome = open_welcome(sealed(plain), secret, nonce);
  if (!welcome.ok()) return;
  ORCH_CHECK(welcome->server != 0 && parse_id(welcome->cluster));
  for (const SharedFile& file : welcome->files) {
    ORCH_CHECK(file.path.find("..") == file.path.npos && !file.path.starts_with('/'));
  }
  const auto again =
      open_welcome(seal_welcome(*welcome, secret, nonce, system_random()), secret, nonce);
  ORCH_CHECK(again.ok() && *again == *welcome);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_contacts(text);
  ORCH_CHECK(!open_welcome(text, secret, nonce).ok());
  check_welcome(text);
  return 0;
}
