// write: the values that pass through the write pipeline (registry.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "server/apiserver/options.h"
#include "server/apiserver/route.h"
#include "server/apiserver/service_allocator.h"
#include "server/apiserver/user.h"
#include "store/store.h"

namespace orch::apiserver {

enum class PatchKind { json, merge, strategic, apply };

// Annotations of an audit event, by name.
using AuditNotes = std::map<std::string, std::string>;

// One wish to change one object.
struct WriteRequest {
  const api::Resource* resource = nullptr;  // In the version that the store holds.
  const api::Resource* view = nullptr;      // In that of `body`; null: the same.
  const api::Subresource* subresource = nullptr;
  Verb verb = Verb::create;
  std::string ns, name;
  User user;
  WriteOptions options;
  DeleteOptions deletion;
  api::Value body;  // The object, the patch, or what a subresource takes.
  PatchKind patch = PatchKind::merge;
  bool budget_spent = false;  // Of an eviction: its first step is done (eviction.h).
  // Of a loop that runs on the leader only: the term under which it may write (store::Write).
  std::optional<uint64_t> only_in_term;
  bool keep_body = false;               // It may be planned more than once.
  std::vector<std::string> duplicates;  // As api::ParseOptions found them in `body`.
  // What admission has to say to the audit log; null: nobody asks. By one thread at a time.
  std::shared_ptr<AuditNotes> notes;

  std::string_view subresource_name() const {
    return subresource ? std::string_view(subresource->name) : std::string_view();
  }
  const api::Resource& spoken() const { return view != nullptr ? *view : *resource; }
  ResourceName resource_name() const { return {spoken().group, spoken().plural, name}; }
};

// What is answered: the object as it stands in the store, or (dry run) as it would, or a document
// of another kind (Status, Scale, TokenRequest).
struct WriteReply {
  int code = 200;
  store::RecordPtr record;
  std::string bytes;                   // When `record` is null.
  std::optional<api::Value> document;  // Goes before both.
  std::vector<std::string> warnings;
};

// One attempt, thought out: what to write, if anything, and what to answer then.
struct Plan {
  enum class Answer { object, scale };

  std::optional<store::Write> write;  // Nothing: `reply` is complete.
  WriteReply reply;
  Answer answer = Answer::object;
  std::string name;         // Of the object; chosen here when it is generated.
  bool removes = false;     // `write` is a deletion.
  bool again = false;       // A lost race may be tried once more.
  bool first_step = false;  // `write` spends an eviction's budget; the pod's own plan comes next.
  // Given back before anybody hears what became of the write.
  std::unique_ptr<ServiceAllocator::Reservation> reservation;
  std::optional<store::Write::Counted> counted;  // For a quota.
};

using WriteDone = std::function<void(Result<WriteReply>)>;

}  // namespace orch::apiserver
