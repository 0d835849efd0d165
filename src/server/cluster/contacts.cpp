#include "server/cluster/contacts.h"

#include <algorithm>

#include "api/json.h"
#include "base/files.h"
#include "server/cluster/identity.h"

namespace orch::cluster {
namespace {

using api::Value;

constexpr size_t kMaxTextBytes = 256;  // Of a name, of an address.

Contact* find_in(std::vector<Contact>& contacts, uint64_t server) {
  const auto found = std::ranges::find(contacts, server, &Contact::server);
  return found == contacts.end() ? nullptr : &*found;
}

}  // namespace

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTextBytes &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::string render_contacts(std::span<const Contact> contacts) {
  Value list = Value::array();
  for (const Contact& contact : contacts) {
    list.push_back(Value::object({{"id", id_text(contact.server)},
                                  {"name", contact.name},
                                  {"address", contact.address},
                                  {"edition", static_cast<int64_t>(contact.edition)}}));
  }
  return api::to_json(list);
}

Result<std::vector<Contact>> parse_contacts(std::string_view text) {
  if (text.size() > kMaxContactsBytes) return bad_request("contacts: too long");
  const Value list = ORCH_TRY(api::parse_json(text));
  std::vector<Contact> contacts;
  for (const Value& each : list.items()) {
    const Contact contact{parse_id(each["id"].as_string()).value_or(0), each["name"].as_string(),
                          each["address"].as_string(),
                          each["edition"].is_int() && each["edition"].as_int() > 0
                              ? static_cast<uint64_t>(each["edition"].as_int())
                              : 0};
    if (contact.server == 0 || contact.edition == 0 || !is_plain(contact.name) ||
        !is_plain(contact.address)) {
      return bad_request("contacts: an entry is malformed");
    }
    if (contacts.size() == kMaxContacts) return bad_request("contacts: too many");
    contacts.push_back(contact);
  }
  return contacts;
}

Result<std::unique_ptr<Contacts>> Contacts::open(const std::string& path) {
  std::unique_ptr<Contacts> contacts(new Contacts(path));
  if (!file_exists(path)) return contacts;
  auto read = parse_contacts(ORCH_TRY(read_file(path, kMaxContactsBytes)));
  if (!read) return std::move(read).status().in(path);
  contacts->all_ = *std::move(read);
  return contacts;
}

Result<void> Contacts::announce(uint64_t self, const std::string& name,
                                const std::string& address) {
  const std::lock_guard lock(mutex_);
  self_ = self;
  Contact* const known = find_in(all_, self);
  if (known && known->name == name && known->address == address) return {};
  const Contact fresh{self, name, address, known ? known->edition + 1 : 1};
  if (known) {
    *known = fresh;
  } else {
    all_.push_back(fresh);
  }
  return save();
}

Result<void> Contacts::learn(std::span<const Contact> told) {
  const std::lock_guard lock(mutex_);
  bool changed = false;
  for (const Contact& contact : told) {
    Contact* const known = find_in(all_, contact.server);
    if (contact.server == self_ || (known && known->edition >= contact.edition)) continue;
    if (!known && all_.size() == kMaxContacts) continue;
    if (known) {
      *known = contact;
    } else {
      all_.push_back(contact);
    }
    changed = true;
  }
  return changed ? save() : Result<void>();
}

Result<void> Contacts::keep_only(std::span<const uint64_t> servers) {
  const std::lock_guard lock(mutex_);
  const auto gone = std::erase_if(all_, [&](const Contact& contact) {
    return contact.server != self_ && std::ranges::find(servers, contact.server) == servers.end();
  });
  return gone > 0 ? save() : Result<void>();
}

std::optional<Contact> Contacts::find(uint64_t server) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(all_, server, &Contact::server);
  return found == all_.end() ? std::nullopt : std::optional(*found);
}

std::vector<Contact> Contacts::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

Result<void> Contacts::save() const {
  return write_file_atomic(path_, render_contacts(all_) + "\n", 0600);
}

}  // namespace orch::cluster
