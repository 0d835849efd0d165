#include "agent/runtime/container_record.h"

#include "base/strings.h"

namespace orch::runtime {

namespace {

constexpr int kUnknownExitCode = 255;

WallTime time_of(const Record& record, std::string_view key) {
  return WallTime(std::chrono::nanoseconds(record.number(key)));
}

void add_time(Record* record, std::string_view key, WallTime time) {
  record->add_number(key, time.time_since_epoch().count());
}

}  // namespace

Result<void> write_settings(const PodPaths& paths, const Settings& settings) {
  Record record{{"runc", settings.runc}, {"runc_root", settings.runc_root}};
  record.add_number("log_max_bytes", settings.log_max_bytes);
  record.add_number("log_max_files", settings.log_max_files);
  return write_record(paths.settings(), record);
}

Result<Settings> read_settings(const PodPaths& paths) {
  const Record record = ORCH_TRY(read_record(paths.settings()));
  return Settings{record.text("runc"), record.text("runc_root"), record.number("log_max_bytes"),
                  static_cast<int>(record.number("log_max_files"))};
}

Record render_container(const ContainerConfig& config, WallTime created_at) {
  Record record{
      {"sandbox_id", config.sandbox_id}, {"id", config.id},   {"name", config.name},
      {"rootfs", config.rootfs},         {"cwd", config.cwd}, {"log_path", config.log_path}};
  add_time(&record, "created_at_ns", created_at);
  record.add_number("attempt", config.attempt);
  record.add_number("uid", config.uid);
  record.add_number("gid", config.gid);
  record.add_number("no_new_privileges", config.no_new_privileges);
  record.add_number("privileged", config.privileged);
  record.add_number("seccomp", config.seccomp == Seccomp::runtime_default);
  record.add_number("oom_score_adj", config.resources.oom_score_adj);
  record.add_number("tty", config.tty);
  record.add_number("stdin_open", config.stdin_open);
  record.add_number("stdin_once", config.stdin_once);
  for (const uint32_t group : config.groups) record.add_number("group", group);
  record.add_all("env", config.env);
  record.add_all("capability", config.capabilities);
  for (const Rlimit& limit : config.rlimits)
    record.add("rlimit", limit.type + " " + std::to_string(static_cast<int64_t>(limit.soft)) + " " +
                             std::to_string(static_cast<int64_t>(limit.hard)));
  return record;
}

ContainerConfig parse_container(const Record& record) {
  ContainerConfig config;
  config.sandbox_id = record.text("sandbox_id");
  config.id = record.text("id");
  config.name = record.text("name");
  config.rootfs = record.text("rootfs");
  config.cwd = record.text("cwd");
  config.log_path = record.text("log_path");
  config.attempt = static_cast<uint32_t>(record.number("attempt"));
  config.uid = static_cast<uint32_t>(record.number("uid"));
  config.gid = static_cast<uint32_t>(record.number("gid"));
  config.no_new_privileges = record.flag("no_new_privileges");
  config.privileged = record.flag("privileged");
  config.seccomp = record.flag("seccomp") ? Seccomp::runtime_default : Seccomp::unconfined;
  config.resources.oom_score_adj = static_cast<int>(record.number("oom_score_adj"));
  config.tty = record.flag("tty");
  config.stdin_open = record.flag("stdin_open");
  config.stdin_once = record.flag("stdin_once");
  for (const std::string& group : record.all("group"))
    config.groups.push_back(static_cast<uint32_t>(parse_int(group).value_or(0)));
  config.env = record.all("env");
  config.capabilities = record.all("capability");
  for (const std::string& limit : record.all("rlimit")) {
    const std::vector<std::string_view> parts = split(limit, ' ');
    if (parts.size() != 3) continue;
    config.rlimits.push_back({std::string(parts[0]),
                              static_cast<uint64_t>(parse_int(parts[1]).value_or(0)),
                              static_cast<uint64_t>(parse_int(parts[2]).value_or(0))});
  }
  return config;
}

Record render_exit(const Exit& exit) {
  Record record;
  record.add_number("code", exit.code);
  record.add_number("signal", exit.signal);
  record.add_number("oom_killed", exit.oom_killed);
  record.add_number("unknown", exit.unknown);
  add_time(&record, "finished_at_ns", exit.finished_at);
  return record;
}

Exit parse_exit(const Record& record) {
  return Exit{static_cast<int>(record.number("code")), static_cast<int>(record.number("signal")),
              record.flag("oom_killed"), record.flag("unknown"), time_of(record, "finished_at_ns")};
}

Result<ContainerState> read_container_state(const PodPaths& paths, const std::string& id,
                                            bool shim_alive) {
  const Record asked = ORCH_TRY(read_record(paths.container(id)));
  ContainerState state;
  state.sandbox_id = asked.text("sandbox_id");
  state.id = id;
  state.name = asked.text("name");
  state.attempt = static_cast<uint32_t>(asked.number("attempt"));
  state.log_path = asked.text("log_path");
  state.rootfs = asked.text("rootfs");
  state.created_at = time_of(asked, "created_at_ns");

  const Result<Record> started = read_record(paths.started(id));
  if (started) {
    state.started_at = time_of(*started, "started_at_ns");
    state.status = ContainerStatus::running;
  }
  if (const Result<Record> exit = read_record(paths.exit(id))) {
    state.status = ContainerStatus::exited;
    state.exit = parse_exit(*exit);
  } else if (!shim_alive) {
    state.status = ContainerStatus::exited;
    state.exit.code = kUnknownExitCode;
    state.exit.unknown = true;
  } else if (started) {
    state.pid = static_cast<pid_t>(started->number("pid"));
  }
  return state;
}

Result<void> write_started(const PodPaths& paths, const std::string& id, pid_t pid,
                           WallTime started_at) {
  Record record;
  record.add_number("pid", pid);
  add_time(&record, "started_at_ns", started_at);
  return write_record(paths.started(id), record);
}

}  // namespace orch::runtime
