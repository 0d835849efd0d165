// local_audit: the audit events of a write by a loop in this process, as if it had come as a
// request: who did it, to what, with which object, and what came of it.
#pragma once

#include <memory>

#include "server/apiserver/audit_entry.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

class LocalAudit {
 public:
  // Judges the write. `audit` null, or a policy that wants nothing of it: a pointer that is null.
  static std::unique_ptr<LocalAudit> begin(Audit* audit, const WriteRequest& request);

  // `notes`: what admission noted in WriteRequest::notes.
  void completed(const Result<WriteReply>& result, const AuditNotes& notes);

 private:
  http::Request http_;
  std::unique_ptr<AuditEntry> entry_;
};

}  // namespace orch::apiserver
