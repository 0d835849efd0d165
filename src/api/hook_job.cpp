// Jobs and CronJobs: how often pods run, and when.
// Follows: kubernetes.io "Jobs", "CronJob"; crontab(5).
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/pod_spec.h"
#include "api/workload.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr int64_t kBackoffLimit = 6;
constexpr int64_t kNoBackoffLimit = 2147483647;
constexpr int64_t kMaxIndexedParallelism = 100'000;
// A job's name is the cron job's and eleven characters more.
constexpr size_t kMaxCronJobName = 52;
constexpr std::string_view kJobLabels[] = {"batch.kubernetes.io/controller-uid", "controller-uid"};
constexpr std::string_view kNameLabels[] = {"batch.kubernetes.io/job-name", "job-name"};

void fill(Value* spec, const char* name, Value value) {
  if (std::as_const(*spec)[name].is_null()) spec->set(name, std::move(value));
}

void default_job(Value& job) {
  Value& spec = job["spec"];
  const Value& given = spec;
  if (given["completions"].is_null() && given["parallelism"].is_null())
    fill(&spec, "completions", 1);
  fill(&spec, "parallelism", 1);
  fill(&spec, "backoffLimit",
       given["backoffLimitPerIndex"].is_null() ? kBackoffLimit : kNoBackoffLimit);
  fill(&spec, "completionMode", "NonIndexed");
  fill(&spec, "suspend", false);
  fill(&spec, "manualSelector", false);
  fill(&spec, "podReplacementPolicy",
       given["podFailurePolicy"].is_null() ? "TerminatingOrFailed" : "Failed");
  const Value& labels = given.at("template.metadata.labels");
  if (std::as_const(job)["metadata"]["labels"].empty() && !labels.empty()) {
    job["metadata"].set("labels", labels);
  }
}

void validate_job_spec(const Value& spec, const std::string& path, Causes& causes) {
  for (const char* name : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                           "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"}) {
    validate_not_negative(spec[name], at(path, name), &causes);
  }
  if (spec["completionMode"].as_string() == "Indexed") {
    if (spec["completions"].is_null()) {
      add_required(&causes, at(path, "completions"), "when completion mode is Indexed");
    }
    if (spec["parallelism"].as_int() > kMaxIndexedParallelism) {
      add_invalid(&causes, at(path, "parallelism"), spec["parallelism"],
                  "must be less than or equal to 100000 when completion mode is Indexed");
    }
  }
  const std::string inner = at(path, "template");
  validate_pod_template(spec["template"], inner, &causes);
  const Value& restart = spec.at("template.spec.restartPolicy");
  if (restart.as_string() != "OnFailure" && restart.as_string() != "Never") {
    add_required(&causes, at(inner, "spec.restartPolicy"),
                 "valid values: \"OnFailure\", \"Never\"");
  }
  if (!spec["podFailurePolicy"].is_null() && restart.as_string() != "Never") {
    add_invalid(&causes, at(inner, "spec.restartPolicy"), restart,
                "only \"Never\" is supported when podFailurePolicy is specified");
  }
  validate_job_policies(spec, path, causes);
}

void validate_job(const Value& job, Causes& causes) {
  const Value& spec = job["spec"];
  // Without manualSelector it is made of the uid (own_pods).
  if (!spec["selector"].is_null()) {
    validate_label_selector(spec["selector"], "spec.selector", &causes);
  } else if (spec["manualSelector"].as_bool()) {
    add_required(&causes, "spec.selector");
  }
  validate_job_spec(spec, "spec", causes);
}

// A selector that only this job's pods match, by its uid; for objects that have got one.
void own_pods(Value& job) {
  Value& spec = job["spec"];
  if (std::as_const(spec)["manualSelector"].as_bool()) return;
  const std::string uid = job.at("metadata.uid").as_string();
  const std::string name = job.at("metadata.name").as_string();
  if (uid.empty()) return;
  Value& labels = spec["template"]["metadata"]["labels"];
  for (const std::string_view key : kJobLabels) labels.set(key, uid);
  for (const std::string_view key : kNameLabels) labels.set(key, name);
  spec["selector"]["matchLabels"].set(kJobLabels[0], uid);
}

// Until a job that was made suspended has started, the choice of nodes is open.
void take_over_placement(Value& pod_template, const Value& old) {
  const auto take_over = [](Value& object, const Value& from, const char* name) {
    if (from.has(name)) {
      object.set(name, from[name]);
    } else {
      object.remove(name);
    }
  };
  for (const char* name : {"labels", "annotations"}) {
    take_over(pod_template["metadata"], old["metadata"], name);
  }
  Value& spec = pod_template["spec"];
  for (const char* name : {"nodeSelector", "tolerations", "schedulingGates"}) {
    take_over(spec, old["spec"], name);
  }
  const Value& affinity = old.at("spec.affinity");
  if (affinity.is_null() && std::as_const(spec)["affinity"].is_null()) return;
  take_over(spec["affinity"], affinity, "nodeAffinity");
  if (affinity.is_null() && std::as_const(spec)["affinity"].empty()) spec.remove("affinity");
}

void validate_job_update(const Value& job, const Value& old, std::string_view subresource,
                         Causes& causes) {
  if (subresource == "status") return validate_job_status(job, old, causes);
  const Type& type = *Schema::builtin().find_type("core/v1.PodTemplateSpec");
  const Value& now = job.at("spec.template");
  const Value& was = old.at("spec.template");
  Value masked = now;
  const bool waiting = old.at("spec.suspend").as_bool() && old.at("status.startTime").is_null();
  if (waiting) take_over_placement(masked, was);
  if (canonicalize(type, std::move(masked)) != canonicalize(type, was)) {
    add_invalid(&causes, "spec.template", now, "field is immutable");
  }
  for (const char* path : {"spec.selector", "spec.completionMode", "spec.podFailurePolicy",
                           "spec.backoffLimitPerIndex", "spec.managedBy", "spec.successPolicy"}) {
    validate_unchanged(job, old, path, causes);
  }
  if (job.at("spec.completionMode").as_string() != "Indexed") {
    validate_unchanged(job, old, "spec.completions", causes);
  }
}

struct CronField {
  int64_t least, most;
  std::string_view names;  // Three letters each, for the values from `least` on.
};
constexpr std::array<CronField, 5> kCronFields = {{{0, 59, ""},
                                                   {0, 23, ""},
                                                   {1, 31, ""},
                                                   {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                                   {0, 6, "sunmontuewedthufrisat"}}};

int64_t cron_number(const CronField& field, std::string_view text) {
  const std::string lower = to_lower(text);
  const size_t name = lower.size() == 3 ? field.names.find(lower) : std::string_view::npos;
  if (name != std::string_view::npos && name % 3 == 0) {
    return field.least + static_cast<int64_t>(name / 3);
  }
  return parse_int(text).value_or(-1);
}

// "*", "1-5", "*/15", "mon-fri/2": one part of a list.
bool good_cron_part(const CronField& field, std::string_view part) {
  const size_t slash = part.find('/');
  if (slash != part.npos) {
    const auto step = parse_int(part.substr(slash + 1));
    if (!step || *step < 1) return false;
    part = part.substr(0, slash);
  }
  if (part == "*" || part == "?") return true;
  const size_t dash = part.find('-');
  const int64_t from = cron_number(field, part.substr(0, dash));
  const int64_t to = dash == part.npos ? from : cron_number(field, part.substr(dash + 1));
  return from >= field.least && to <= field.most && from <= to;
}

bool good_schedule(std::string_view text) {
  if (text.starts_with('@')) {
    constexpr std::string_view kWords[] = {"@hourly",  "@daily",  "@midnight", "@weekly",
                                           "@monthly", "@yearly", "@annually"};
    return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords) ||
           (text.starts_with("@every ") && text.size() > 7);
  }
  size_t count = 0;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (count == kCronFields.size()) return false;
    const CronField& field = kCronFields[count++];
    for (const std::string_view part : split(word, ',')) {
      if (!good_cron_part(field, part)) return false;
    }
  }
  return count == kCronFields.size();
}

void validate_cron_job(const Value& job, Causes& causes) {
  const Value& spec = job["spec"];
  const Value& schedule = spec["schedule"];
  if (schedule.as_string().find("TZ=") != std::string::npos) {
    add_invalid(&causes, "spec.schedule", schedule,
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  } else if (!schedule.empty() && !good_schedule(schedule.as_string())) {
    add_invalid(&causes, "spec.schedule", schedule,
                "expected five fields (minute, hour, day of month, month, day of week) or a "
                "descriptor such as @daily");
  }
  const Value& zone = spec["timeZone"];
  if (!zone.is_null() && (zone.empty() || to_lower(zone.as_string()) == "local")) {
    add_invalid(&causes, "spec.timeZone", zone, "timeZone must be an explicit time zone");
  }
  for (const char* name :
       {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"}) {
    validate_not_negative(spec[name], at("spec", name), &causes);
  }
  validate_job_spec(spec.at("jobTemplate.spec"), "spec.jobTemplate.spec", causes);
  if (spec.at("jobTemplate.spec.manualSelector").as_bool()) {
    add_not_supported(&causes, "spec.jobTemplate.spec.manualSelector", true, {"nil", "false"});
  }
  const Value& name = job.at("metadata.name");
  if (name.as_string().size() > kMaxCronJobName) {
    add_invalid(&causes, "metadata.name", name, "must be no more than 52 characters");
  }
}

}  // namespace

const Hook kJobHook = {
    .defaults = default_job,
    .prepare_create = own_pods,
    .validate = validate_job,
    .validate_update = validate_job_update,
};

const Hook kCronJobHook = {
    .validate = validate_cron_job,
};

}  // namespace orch::api
