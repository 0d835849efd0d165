#include "server/cluster/cluster.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "http/client.h"
#include "server/cluster/joining.h"
#include "server/cluster/welcome.h"
#include "store/damage.h"

namespace orch::cluster {
namespace {

using api::Value;

constexpr int kFirstRetryMs = 500, kLastRetryMs = 10'000;
constexpr int kInspectMs = 1'500;
constexpr size_t kMinNonce = 32, kMaxNonce = 128;

Status told_to_end() { return Status{0, "", "told to end", {}}; }

// For a thread that may wait.
Result<void> change(store::Store& store, store::MemberChange wanted) {
  const auto promise = std::make_shared<std::promise<Result<void>>>();
  auto answer = promise->get_future();
  store.change_members(std::move(wanted),
                       [promise](Result<void> done) { promise->set_value(std::move(done)); });
  return answer.get();
}

Result<Value> read_body(const http::Request& request) {
  Value body = ORCH_TRY(api::parse_json(request.body));
  if (!body.is_object()) return bad_request("the body must be a JSON object");
  return body;
}

Result<void> check_protocol(const Value& request, const std::string& version) {
  if (request["protocol"].as_int() == kProtocol) return {};
  const std::string& theirs = request["version"].as_string();
  return bad_request("this server is orch " + version + " and can't run beside " +
                     (theirs.empty() ? "that version" : "orch " + theirs) +
                     ": servers speak protocol " + std::to_string(kProtocol) +
                     " here; give all servers the same version");
}

// One that only makes sense of who is a member.
Result<void> change_of_member(store::Store& store, store::MemberChange wanted) {
  auto changed = change(store, std::move(wanted));
  if (changed || !changed.status().not_found()) return changed;
  return forbidden(
      "this server was removed from the cluster: to join anew, move its data directory's server "
      "folder away");
}

std::optional<store::Member> member_of(const store::Store& store, uint64_t id) {
  const auto members = store.members();
  const auto found = std::ranges::find(members, id, &store::Member::server);
  return found == members.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

Cluster::Cluster(Options options, ServerIdentity self)
    : options_(std::move(options)), self_(std::move(self)), begins_(options_.enrollment.begins) {}

Result<std::unique_ptr<Cluster>> Cluster::open(Options options) {
  ServerIdentity self =
      ORCH_TRY(open_identity(options.data_dir + "/server/tls", options.ca, *options.clock));
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(options), std::move(self)));
  const Options& o = cluster->options_;
  ORCH_TRY(make_dirs(member_dir(o.data_dir), 0700));
  cluster->contacts_ = ORCH_TRY(Contacts::open(contacts_path(o.data_dir)));
  ORCH_TRY(cluster->contacts_->announce(cluster->self_.id, o.name, o.address));
  cluster->peers_ = ORCH_TRY(
      Peers::create({cluster->self_, o.ca.certificate, o.enrollment.cluster, *cluster->contacts_}));
  cluster->replication_ = {cluster->self_.id, o.address, o.enrollment.begins,
                           cluster->peers_.get()};
  return cluster;
}

void Cluster::stop() {
  peers_->stop();
  greetings_.stop();
}

// Getting in ----------------------------------------------------------------------------------

Result<void> Cluster::enter(store::Store& store) {
  if (store.alone()) return {};
  {
    const std::lock_guard lock(growing_);
    ORCH_TRY(note_begun());
  }
  returns_ = !store.members().empty();
  Try which = Try::first;
  for (int wait_ms = kFirstRetryMs;; wait_ms = std::min(2 * wait_ms, kLastRetryMs)) {
    if (!options_.ask_first.empty() && !asked_first_) greetings_.run([this] { ask_first(); });
    auto entered = try_to_enter(store, std::exchange(which, Try::again));
    if (entered) break;
    const Status& why = entered.status();
    if (is_final(why) || store::is_damaged(why)) return entered;
    if (auto refused = peers_->refused()) return *std::move(refused);
    log::warning("cluster", "waiting for the cluster: " + why.message);
    if (options_.wait(-1, wait_ms)) return told_to_end();
  }
  std::vector<uint64_t> ids;
  for (const store::Member& member : store.members()) ids.push_back(member.server);
  ORCH_TRY(contacts_->keep_only(ids));
  // Who was not spoken to on the way hears of a changed name or address too. That can wait.
  greetings_.run([this] {
    for (const Contact& contact : contacts_->all()) {
      if (contact.server != self_.id) static_cast<void>(introduce_to(contact));
    }
  });
  return {};
}

// The log stands by now. Were it lost later on, this server must not begin another one.
Result<void> Cluster::note_begun() {
  if (!begins_) return {};
  Enrollment begun = options_.enrollment;
  begun.begins = false;
  ORCH_TRY(write_enrollment(options_.data_dir, begun));
  begins_ = false;
  return {};
}

Result<void> Cluster::introduce_to(const Contact& contact) {
  const Newcomer self{.id = self_.id,
                      .peer = self_.peer,
                      .ca = options_.ca.certificate,
                      .cluster = options_.enrollment.cluster,
                      .version = options_.version,
                      .returns = returns_};
  return contacts_->learn(
      ORCH_TRY(introduce(self, contacts_->all(), contact, peers_->stopping_fd())));
}

// Which of the servers is there shows by the name that its certificate has.
void Cluster::ask_first() {
  for (Contact contact : contacts_->all()) {
    if (contact.server == self_.id || asked_first_) continue;
    contact.address = options_.ask_first;
    const Result<void> introduced = introduce_to(contact);
    if (introduced) asked_first_ = true;
    log::info("cluster", introduced ? contact.name + " is at " + contact.address
                                    : "--server: " + introduced.status().message);
  }
}

// One may refuse this server for good where another takes it: one of an older version, say.
Result<void> Cluster::introduce_to_any() {
  Status why = not_found("no other server of the cluster is known");
  for (const Contact& contact : contacts_->all()) {
    if (contact.server == self_.id) continue;
    auto introduced = introduce_to(contact);
    if (introduced) return {};
    if (!is_final(why)) why = std::move(introduced).status();
  }
  return why;
}

// A member by its own log may have been removed since: whoever finds no leader asks.
Result<void> Cluster::try_to_enter(store::Store& store, Try which) {
  const bool is_member = member_of(store, self_.id).has_value();
  if (!is_member || which == Try::again) {
    auto introduced = await([this](auto done) {
      const bool taken = greetings_.run([this, done] { done(introduce_to_any()); });
      if (!taken) done(service_unavailable("the server is shutting down"));
    });
    if (!introduced && (!is_member || introduced.status().code == 403)) return introduced;
  }
  ORCH_TRY(await([&](auto done) { store.sync(std::move(done)); }));
  const auto self = member_of(store, self_.id);
  if (!self) return service_unavailable("the log does not know this server yet");
  if (self->voter) return {};
  log::info("cluster", "caught up with the cluster; asking for a vote");
  return await([&](auto done) {
    store.change_members({store::MemberChange::Kind::promote, self_.id, ""}, std::move(done));
  });
}

Result<void> Cluster::await(const Started& start) const {
  struct Answer {
    UniqueFd woken{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::mutex mutex;
    std::optional<Result<void>> result;
  };
  const auto answer = std::make_shared<Answer>();
  if (!answer->woken) return system_error("eventfd", errno);
  start([answer](Result<void> result) {
    {
      const std::lock_guard lock(answer->mutex);
      answer->result = std::move(result);
    }
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(answer->woken.get(), &one, sizeof one);
  });
  for (;;) {
    if (options_.wait(answer->woken.get(), -1)) return told_to_end();
    const std::lock_guard lock(answer->mutex);
    if (answer->result) return *answer->result;
  }
}

// Letting others in ---------------------------------------------------------------------------

Result<void> Cluster::accept_peer(const std::shared_ptr<http::Exchange>& exchange,
                                  store::Store& store) {
  return peers_->accept(exchange, [&store](uint64_t from, store::StreamUse use, UniqueFd stream) {
    store.accept_peer(from, use, std::move(stream));
  });
}

Result<void> Cluster::check_newcomer(const http::Request& request) const {
  if (request.method != "POST") return method_not_allowed("joining is a POST");
  if (server_of(request.peer)) return {};
  const std::string proof = proof_of(options_.secret);
  if (crypto::equal_secrets(request.headers.get(kProofHeader), proof)) return {};
  return unauthorized();
}

Result<Value> Cluster::serve_newcomer(const http::Request& request, store::Store& store) {
  ORCH_TRY(check_newcomer(request));
  const Value body = ORCH_TRY(read_body(request));
  ORCH_TRY(check_protocol(body, options_.version));
  if (const auto server = server_of(request.peer)) return add(*server, body, store);
  return welcome(body, store);
}

// The enrollment comes first: wherever the process dies, the next start begins the log, or finds it
// begun and goes on with it.
Result<void> Cluster::grow(store::Store& store) {
  const std::lock_guard lock(growing_);
  if (store.alone()) {
    ORCH_TRY(write_enrollment(options_.data_dir, options_.enrollment));
    if (Result<void> grown = store.replicate(replication_); !grown) {
      // Should it stay, the next start begins the log.
      const Result<void> removed = remove_enrollment(options_.data_dir);
      if (!removed) log::warning("cluster", removed.status().message);
      return std::move(grown).status().in("become one of several servers");
    }
    log::info("cluster",
              "this server is one of several now, in cluster " + options_.enrollment.cluster);
  }
  return note_begun();
}

Result<Value> Cluster::welcome(const Value& request, store::Store& store) {
  const std::string& nonce = request["nonce"].as_string();
  if (nonce.size() < kMinNonce || nonce.size() > kMaxNonce) return bad_request("nonce: malformed");
  const std::string& name = request["name"].as_string();
  if (!is_plain(name)) return bad_request("name: malformed");
  ORCH_TRY(check_name(servers(store), 0, name));
  ORCH_TRY(grow(store));
  Welcome welcome;
  welcome.cluster = options_.enrollment.cluster;
  welcome.server = self_.id;
  welcome.facts = options_.enrollment.facts;
  welcome.contacts = contacts_->all();
  welcome.files = ORCH_TRY(read_shared(options_.data_dir, options_.encryption_config));
  log::info("cluster", "welcoming a server by the name " + name);
  return Value::object(
      {{"welcome", seal_welcome(welcome, options_.secret, nonce, *options_.random)}});
}

Result<Value> Cluster::add(uint64_t server, const Value& request, store::Store& store) {
  if (request["cluster"].as_string() != options_.enrollment.cluster) {
    return forbidden(
        "this server's data is of a former cluster: move its data directory's server "
        "folder away to join anew");
  }
  const auto told = ORCH_TRY(parse_contacts(request["contacts"].as_string()));
  const auto own = std::ranges::find(told, server, &Contact::server);
  if (own == told.end()) return bad_request("the contact of the newcomer itself is missing");
  const uint64_t lost = parse_id(request["replaces"].as_string()).value_or(0);
  std::vector<Server> others = servers(store);
  std::erase_if(others, [&](const Server& each) { return each.id == lost; });
  ORCH_TRY(check_name(others, server, own->name));
  ORCH_TRY(contacts_->learn(told));
  if (lost != 0) {
    ORCH_TRY(replace(lost, *own, store));
  } else if (member_of(store, server)) {
    // Were it removed, and this server behind: it finds no leader, and asks again.
  } else if (request["returns"].as_bool()) {
    ORCH_TRY(take_back(*own, store));
  } else {
    ORCH_TRY(change(store, {store::MemberChange::Kind::add, server, own->address}));
    log::info("cluster", "added server " + id_text(server) + " (" + own->name + ", " +
                             own->address + ") as a learner");
  }
  return Value::object({{"contacts", render_contacts(contacts_->all())}});
}

// The newcomer was `lost` before. Nobody but a server can have its certificate, and each of them
// has the CA's key.
Result<void> Cluster::replace(uint64_t lost, const Contact& newcomer, store::Store& store) {
  const std::vector<Server> all = inspected(store);
  const auto old = std::ranges::find(all, lost, &Server::id);
  if (old != all.end()) {
    if (old->state != State::unreachable) {
      return conflict("server " + id_text(lost) + " answers at " + old->address +
                      ", and so can't have lost its store: does it run with a copied data "
                      "directory?");
    }
    ORCH_TRY(check_removal(all, lost));
  }
  using Kind = store::MemberChange::Kind;
  ORCH_TRY(change_of_member(store, {Kind::replace, newcomer.server, newcomer.address, lost}));
  // Who asks again finds the one done, and has the other done.
  auto removed = change(store, {Kind::remove, lost, ""});
  if (!removed && !removed.status().not_found()) return removed;
  log::warning("cluster", "server " + id_text(lost) + " (" + newcomer.name +
                              ") has found its store damaged; " + id_text(newcomer.server) +
                              " learns in its place");
  return {};
}

// Who has the log was a member. The leader says whether it still is, for this server may be behind:
// to be replaced by oneself changes nothing, and only members can be replaced.
Result<void> Cluster::take_back(const Contact& contact, store::Store& store) {
  using Kind = store::MemberChange::Kind;
  return change_of_member(store, {Kind::replace, contact.server, contact.address, contact.server});
}

// Administrators ------------------------------------------------------------------------------

std::vector<Server> Cluster::servers(const store::Store& store) const {
  // A single server's log knows nobody.
  if (store.alone()) return {{self_.id, options_.name, options_.address, true, true}};
  return list_servers(store.members(), contacts_->all(), store.leadership().leader);
}

State Cluster::inspect(const Server& server) const {
  http::ClientOptions options;
  options.url = "https://" + server.address;
  options.ca = options_.ca.certificate;
  options.server_name = cluster::serving_name(server.id);
  options.connect_timeout_ms = options.response_timeout_ms = kInspectMs;
  options.keep_alive = false;
  const auto client = http::Client::create(std::move(options));
  if (!client) return State::unreachable;
  http::Request request;
  request.target = "/readyz";
  const auto answer = (*client)->send(request);
  if (!answer) return State::unreachable;
  return answer->status == 200 ? State::ready : State::not_ready;
}

std::vector<Server> Cluster::inspected(const store::Store& store) const {
  std::vector<Server> all = servers(store);
  std::vector<std::jthread> looks;
  for (Server& server : all) {
    looks.emplace_back([this, &server] { server.state = inspect(server); });
  }
  looks.clear();
  return all;
}

Result<Value> Cluster::list_members(const store::Store& store) const {
  return members_value(inspected(store));
}

Result<Value> Cluster::change_member(const Value& order, store::Store& store) {
  using Kind = store::MemberChange::Kind;
  const std::string& action = order["action"].as_string();
  const std::vector<Server> all = inspected(store);
  const Server server = ORCH_TRY(find_server(all, order["server"].as_string()));
  if (action == "remove") {
    ORCH_TRY(check_removal(all, server.id));
    ORCH_TRY(change(store, {Kind::remove, server.id, ""}));
    log::info("cluster", "removed server " + id_text(server.id) + " (" + server.name + ")");
  } else if (action == "promote") {
    if (server.voter) return conflict(server.name + " is a voter already");
    ORCH_TRY(change(store, {Kind::promote, server.id, ""}));
  } else {
    return bad_request("action must be remove or promote");
  }
  return members_value({server});
}

}  // namespace orch::cluster
