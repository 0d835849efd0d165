#include "server/apiserver/registry.h"

#include <future>

#include "server/apiserver/scale.h"
#include "store/claims.h"

namespace orch::apiserver {

struct Registry::Job {
  WriteRequest request;
  WriteDone done;
  Plan plan;             // Of the attempt under way.
  bool counted = false;  // Its write is one that a quota counts.
  bool fresh = false;    // What it is planned over isn't stale.
  int attempts = 0;
};

void Registry::submit(WriteRequest request, WriteDone done) {
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->fresh = fresh_.alone();
  job->request.keep_body = !job->fresh;
  job->done = std::move(done);
  if (!quotas_.concerns(job->request)) return attempt(std::move(job));
  submit_by_turns(std::move(job));
}

// What a quota counts goes one by one: each finds what all before it have made.
void Registry::submit_by_turns(std::shared_ptr<Job> job) {
  const std::string ns = job->request.ns;
  const auto refuse = [job](Status why) { job->done(std::move(why)); };
  NamespaceGate::Visit visit;
  visit.enter = [this, ns, job] {
    job->done = [this, ns, done = std::move(job->done)](Result<WriteReply> reply) {
      done(std::move(reply));
      gate_.leave(ns);
    };
    attempt(job);
  };
  visit.refuse = [refuse] { refuse(service_unavailable("the server is shutting down")); };
  if (gate_.come(ns, std::move(visit))) return;
  refuse(too_many_requests("too many writes wait for the quotas of namespace " + ns, 1));
}

Result<WriteReply> Registry::run(WriteRequest request) {
  // Shared, for whoever answers may still be inside set_value() when we have the answer.
  const auto answered = std::make_shared<std::promise<Result<WriteReply>>>();
  auto answer = answered->get_future();
  submit(std::move(request),
         [answered](Result<WriteReply> reply) { answered->set_value(std::move(reply)); });
  return answer.get();
}

void Registry::attempt(std::shared_ptr<Job> job) {
  ++job->attempts;
  auto plan = planner_.plan(job->request);
  if (!plan || !plan->write) {
    if (!job->fresh) return attempt_fresh(std::move(job));
    return answer_without_write(*job, std::move(plan));
  }
  job->plan = *std::move(plan);
  store::Write write = *std::move(job->plan.write);
  // On one server the gate lets in one at a time. (It may be one of several since it was asked.)
  if (!job->request.keep_body) write.counted.reset();
  job->counted = write.counted.has_value();
  Histogram& took = !write.bytes                   ? metrics_.store_deletes
                    : write.expected_revision == 0 ? metrics_.store_creates
                                                   : metrics_.store_updates;
  const MonoTime began = clock_.monotonic();
  store_.commit(std::move(write), [this, job, began, &took](Result<store::Committed> outcome) {
    took.add(std::chrono::duration<double>(clock_.monotonic() - began).count());
    settle(job, std::move(outcome));
  });
}

void Registry::attempt_fresh(std::shared_ptr<Job> job) {
  job->fresh = true;
  fresh_.when([this, job](const Result<void>& caught_up) {
    if (!caught_up) return job->done(caught_up.status());
    attempt(job);
  });
}

void Registry::answer_without_write(Job& job, Result<Plan> plan) {
  if (!plan) return job.done(std::move(plan).status());
  plan->reservation.reset();
  WriteReply reply = std::move(plan->reply);
  if (plan->answer == Plan::Answer::scale) {
    reply.document = scale_of(decode_stored(reply.record ? reply.record->bytes : reply.bytes));
  }
  job.done(std::move(reply));
}

void Registry::settle(std::shared_ptr<Job> job, Result<store::Committed> outcome) {
  if (!outcome) return lose(std::move(job), outcome.status());
  if (job->plan.first_step) {
    job->request.budget_spent = true;
    job->attempts = 0;
    job->plan = {};
    if (retries_.run([this, job] { attempt(job); })) return;
    return job->done(service_unavailable("the server is shutting down or overloaded"));
  }
  succeed(*job, *outcome);
}

void Registry::succeed(Job& job, const store::Committed& committed) {
  Plan& plan = job.plan;
  plan.reservation.reset();
  plan.reply.record = committed.record;
  if (plan.answer == Plan::Answer::scale) {
    plan.reply.document = scale_of(decode_stored(committed.record->bytes));
  }
  job.done(std::move(plan.reply));
}

void Registry::lose(std::shared_ptr<Job> job, const Status& why) {
  job->plan.reservation.reset();
  const WriteRequest& request = job->request;
  const bool raced = why.conflict() || why.already_exists() || why.not_found();
  if (!raced) return job->done(why);
  const bool creating = why.already_exists();
  // Chosen or counted at the same moment on another server.
  const bool taken = store::is_claim_held(why) || (job->counted && why.conflict());
  const int limit = creating || taken ? kMaxGeneratedAttempts : kMaxAttempts;
  const ResourceName name{request.resource->group, request.resource->plural, job->plan.name};
  if ((job->plan.again || taken) && job->attempts < limit) {
    job->plan = {};
    if (retries_.run([this, job] { attempt(job); })) return;
    return job->done(service_unavailable("the server is shutting down or overloaded"));
  }
  if (why.not_found()) return job->done(not_found(name));
  if (!creating) {
    return job->done(conflict(name,
                              "the object has been modified; please apply your changes to the "
                              "latest version and try again"));
  }
  Status status = already_exists(name);
  if (job->plan.again) {
    status.message += ", the server was not able to generate a unique name for the object";
  }
  job->done(std::move(status));
}

}  // namespace orch::apiserver
