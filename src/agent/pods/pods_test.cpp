// Real pods through Pods: runc, cgroups, a network namespace of our own; the cluster and the images
// are fakes. The same executable serves as the shim, as orch does: main() branches before Catch2.
#include "agent/pods/pods.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_session.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>

#include "agent/pods/container_log.h"
#include "agent/runtime/shim.h"
#include "api/resources.h"
#include "base/files.h"
#include "client/fake_cluster.h"

namespace orch::pods {
namespace {

namespace fs = std::filesystem;
using api::Value;

constexpr int kPatienceMs = 20'000;
constexpr const char* kBusybox = "/bin/busybox";

#define ORCH_NEEDS_CONTAINERS()                                                          \
  if (::geteuid() != 0) SKIP("needs root");                                              \
  if (!fs::exists("/usr/sbin/runc") && !fs::exists("/usr/bin/runc")) SKIP("needs runc"); \
  if (!fs::exists(kBusybox)) SKIP("needs busybox-static at /bin/busybox")

// One image, "busybox": a folder. "missing" can't be pulled.
class FakeImages : public images::Images {
 public:
  explicit FakeImages(std::string dir) : dir_(std::move(dir)) {}

  Result<images::ImageRef> ensure(const images::EnsureRequest& request) override {
    if (request.image == "missing") {
      Status status = internal_error("no such image");
      status.reason = "ErrImagePull";
      return status;
    }
    return find(request.image);
  }
  Result<images::ImageRef> find(std::string_view name) override {
    if (name == "missing") return not_found("no such image");
    images::ImageRef image;
    image.id = "sha256:1";
    image.names = {std::string(name)};
    image.config.env = {"PATH=/bin"};
    return image;
  }
  std::vector<images::ImageRef> list() override { return {}; }
  Result<void> remove(std::string_view) override { return {}; }
  Result<std::string> mount(const std::string&, const std::string& container) override {
    const std::string root = dir_ + "/" + container;
    for (const char* part : {"bin", "proc", "dev", "sys", "tmp", "etc"}) {
      fs::create_directories(root + "/" + part);
    }
    if (!fs::exists(root + "/bin/busybox")) {
      fs::copy_file(kBusybox, root + "/bin/busybox");
      for (const char* applet : {"sh", "cat", "echo", "sleep", "true", "ls", "test", "kill"}) {
        fs::create_symlink("busybox", root + "/bin/" + applet);
      }
    }
    return root;
  }
  Result<void> unmount(const std::string& container) override {
    return remove_tree(dir_ + "/" + container);
  }
  std::vector<std::string> mounted() override {
    std::vector<std::string> containers;
    if (!fs::exists(dir_)) return containers;
    for (const auto& entry : fs::directory_iterator(dir_))
      containers.push_back(entry.path().filename());
    return containers;
  }
  Result<std::vector<images::ImageRef>> import_archive(const std::string&) override {
    return bad_request("not here");
  }

 private:
  const std::string dir_;
};

struct Node {
  Node() {
    char name[] = "/tmp/orch-pods-XXXXXX";
    folder = ::mkdtemp(name);
    images = std::make_unique<FakeImages>(folder + "/images");
    runtime::Options options;
    options.state_dir = folder + "/state";
    auto opened = runtime::Runtime::open(options, system_clock());
    REQUIRE(opened.ok());
    runtime = std::move(*opened);
    network::NodeConfig config;
    config.pod_cidr = *parse_cidr("10.99.0.0/24");
    config.service_cidr = *parse_cidr("10.98.0.0/16");
    watch = cluster.subscribe(api::resource::pods(),
                              [this](const client::Change&) { changed.notify_all(); });
    const auto up = network.set_up(config);
    INFO((up.ok() ? "" : up.status().message));
    REQUIRE(up.ok());
    start();
  }
  ~Node() {
    for (const auto& pod : cluster.all(api::resource::pods())) remove(pod_name(pod), 0);
    for (int i = 0; pods && i < 200 && !pods->list().empty(); ++i) nap();
    pods.reset();
    runtime.reset();
    (void)network::teardown_node();
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  void start() {
    timers = std::make_unique<Timers>(system_clock());
    NodeFacts facts;
    facts.node_name = "n1";
    facts.node_ip = "10.99.0.1";
    facts.data_dir = folder + "/data";
    facts.log_dir = folder + "/logs";
    facts.memory_bytes = 1 << 30;
    pods = std::make_unique<Pods>(Pods::Parts{*runtime, *images, volumes, network, cluster, cluster,
                                              events, system_clock(), *timers, facts});
    REQUIRE(pods->start().ok());
  }
  // As a restart of orch.
  void restart() {
    pods.reset();
    timers.reset();
    start();
  }

  // Until a pod changes, or a moment for what tells nobody.
  void nap() {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::milliseconds(10));
  }

  void create(const std::string& name, const std::string& spec) {
    Value pod = Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
    pod["metadata"].set("name", name);
    pod["metadata"].set("namespace", "default");
    auto parsed = api::parse_yaml(spec);
    INFO((parsed.ok() ? "" : parsed.status().message));
    REQUIRE(parsed.ok());
    pod.set("spec", std::move(*parsed));
    pod["spec"].set("nodeName", "n1");
    pod["spec"].set("terminationGracePeriodSeconds", 1);
    REQUIRE(cluster.create(api::resource::pods(), pod).ok());
  }
  void remove(const std::string& name, int64_t grace_s) {
    client::DeleteOptions options;
    options.grace_s = grace_s;
    (void)cluster.remove(api::resource::pods(), {"default", name}, options);
  }
  Value status(const std::string& name) {
    const auto pod =
        static_cast<client::Api&>(cluster).get(api::resource::pods(), {"default", name});
    return pod.ok() ? (*pod)["status"] : Value();
  }
  // Waits until `what` holds of the pod's status.
  template <class Predicate>
  Value until(const std::string& name, Predicate what) {
    Value last;
    for (int waited = 0; waited < kPatienceMs; waited += 10) {
      last = status(name);
      if (what(last)) return last;
      nap();
    }
    FAIL("waited in vain; last status " << api::to_json(last));
    return last;
  }
  Value until_phase(const std::string& name, const std::string& phase) {
    return until(name, [&](const Value& s) { return s["phase"].as_string() == phase; });
  }

  std::string folder;
  std::mutex mutex;
  std::condition_variable changed;
  client::FakeCluster cluster{system_clock()};
  client::FakeEvents events;
  volumes::Volumes volumes{cluster, cluster, system_clock()};
  PodNetwork network;
  std::unique_ptr<client::Cache::Subscription> watch;
  std::unique_ptr<FakeImages> images;
  std::unique_ptr<runtime::Runtime> runtime;
  std::unique_ptr<Timers> timers;
  std::unique_ptr<Pods> pods;
};

bool is_ready(const Value& status) {
  for (const auto& condition : status["conditions"].items()) {
    if (condition["type"].as_string() == "Ready") return condition["status"].as_string() == "True";
  }
  return false;
}

TEST_CASE("a pod runs to its end, init containers first", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("job", R"(
restartPolicy: Never
volumes: [{name: data, emptyDir: {}}]
initContainers:
- {name: first, image: busybox, command: [sh, -c, "echo made > /data/file"],
   volumeMounts: [{name: data, mountPath: /data}]}
containers:
- {name: main, image: busybox,
   command: [sh, -c, "cat /data/file; echo -n $NAME > /dev/termination-log"],
   env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}],
   volumeMounts: [{name: data, mountPath: /data}]}
)");
  const Value status = node.until_phase("job", "Succeeded");
  CHECK(status["initContainerStatuses"][0]["state"]["terminated"]["reason"].as_string() ==
        "Completed");
  const auto& main = status["containerStatuses"][0]["state"]["terminated"];
  CHECK(main["message"].as_string() == "job");
  CHECK(main["exitCode"].as_int() == 0);
  const auto worker = node.pods->find("default", "job");
  REQUIRE(worker);
  const auto log = worker->log_file("main", false);
  REQUIRE(log.ok());
  CHECK(log_tail(log->path, 10, 1000) == "made\n");
}

TEST_CASE("a running pod survives a restart of the agent and stops when deleted", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("web", R"(
containers:
- {name: main, image: busybox, command: [sleep, "1000"]}
)");
  const Value before = node.until("web", is_ready);
  CHECK(before["podIP"].as_string().starts_with("10.99.0."));
  const auto& id = before["containerStatuses"][0]["containerID"].as_string();
  node.restart();
  node.remove("web", 1);
  const auto worker = node.pods->find("default", "web");
  REQUIRE(worker);
  node.until("web", [](const Value& status) { return status.is_null(); });
  CHECK(before["containerStatuses"][0]["restartCount"].as_int() == 0);
  CHECK(id.starts_with("orch://"));
  for (int i = 0; i < 300 && !node.pods->list().empty(); ++i) node.nap();
  CHECK(node.pods->list().empty());
  CHECK(node.runtime->list().empty());
  CHECK(fs::is_empty(node.folder + "/data/pods"));
  CHECK(fs::is_empty(node.folder + "/data/records"));
  CHECK(fs::is_empty(node.folder + "/logs"));
}

TEST_CASE("a container with more seconds to end than a clock can count is not killed at once",
          "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("slow", R"(
containers:
- {name: main, image: busybox,
   command: [sh, -c, "trap 'sleep 1; exit 7' TERM; while true; do sleep 0.1; done"],
   livenessProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 1,
                   terminationGracePeriodSeconds: 9223372037}}
)");
  const Value status = node.until("slow", [](const Value& s) {
    return !s["containerStatuses"][0]["lastState"]["terminated"].is_null();
  });
  CHECK(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"].as_int() == 7);
}

TEST_CASE("a root that was mounted before orch died goes with its pod", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("web", R"(
containers:
- {name: main, image: busybox, command: [sleep, "1000"]}
)");
  node.until("web", is_ready);
  const auto worker = node.pods->find("default", "web");
  REQUIRE(worker);
  // Of an attempt that no record tells of.
  REQUIRE(node.images->mount("sha256:1", pod_uid(worker->pod()) + "_main_7"));
  node.restart();
  node.remove("web", 0);
  for (int i = 0; i < 300 && !node.pods->list().empty(); ++i) node.nap();
  CHECK(node.images->mounted().empty());
}

TEST_CASE("a crashing container is restarted, then backed off", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("crash", R"(
containers:
- {name: main, image: busybox, command: [sh, -c, "exit 3"]}
)");
  const Value status = node.until("crash", [](const Value& s) {
    return s["containerStatuses"][0]["state"]["waiting"]["reason"].as_string() ==
           "CrashLoopBackOff";
  });
  const auto& container = status["containerStatuses"][0];
  CHECK(container["restartCount"].as_int() == 1);
  CHECK(container["lastState"]["terminated"]["exitCode"].as_int() == 3);
  CHECK(container["state"]["waiting"]["message"].as_string().starts_with(
      "back-off 10s restarting failed container=main pod=crash_default("));
}

TEST_CASE("what hinders a pod is told", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("pull", "containers: [{name: main, image: missing}]");
  node.create("config", R"(
containers:
- {name: main, image: busybox, command: [sleep, "1"], envFrom: [{configMapRef: {name: settings}}]}
)");
  node.create("exe", "containers: [{name: main, image: busybox, command: [no-such-thing]}]");
  const auto reason = [](const char* wanted) {
    return [wanted](const Value& s) {
      return s["containerStatuses"][0]["state"]["waiting"]["reason"].as_string() == wanted;
    };
  };
  node.until("pull", reason("ErrImagePull"));
  const Value config = node.until("config", reason("CreateContainerConfigError"));
  CHECK(config["containerStatuses"][0]["state"]["waiting"]["message"].as_string() ==
        "configmap \"settings\" not found");
  const Value exe = node.until("exe", reason("CrashLoopBackOff"));
  CHECK(exe["containerStatuses"][0]["lastState"]["terminated"]["reason"].as_string() ==
        "StartError");
  // The ConfigMap's coming starts it.
  Value map = Value::object({{"apiVersion", "v1"}, {"kind", "ConfigMap"}});
  map["metadata"].set("name", "settings");
  map["metadata"].set("namespace", "default");
  REQUIRE(node.cluster.create(api::resource::config_maps(), map).ok());
  node.until_phase("config", "Running");
  node.until("pull", reason("ImagePullBackOff"));
}

TEST_CASE("probes decide over readiness and restarts", "[pods]") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create("probed", R"(
containers:
- name: main
  image: busybox
  command: [sh, -c, "echo x > /tmp/ready; sleep 1; echo x > /tmp/sick; sleep 1000"]
  readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
  livenessProbe:
    {exec: {command: [test, "!", -e, /tmp/sick]}, periodSeconds: 1, failureThreshold: 1}
)");
  node.until("probed", is_ready);
  const Value status = node.until("probed", [](const Value& s) {
    return s["containerStatuses"][0]["restartCount"].as_int() == 1;
  });
  CHECK(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"].as_int() == 137);
}

void raise_loopback() {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  (void)::ioctl(fd.get(), SIOCSIFFLAGS, &request);
}

}  // namespace
}  // namespace orch::pods

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "shim") {
    return orch::runtime::run_shim(argc, argv);
  }
  // A host network of our own: bridges and rules never touch the machine's.
  if (::geteuid() == 0 && ::unshare(CLONE_NEWNET) == 0) orch::pods::raise_loopback();
  return Catch::Session().run(argc, argv);
}
