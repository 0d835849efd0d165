#include "agent/volumes/volumes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "agent/volumes/atomic_writer.h"
#include "agent/volumes/mounts.h"
#include "api/resources.h"
#include "base/files.h"
#include "client/fake_cluster.h"

namespace orch::volumes {
namespace {

namespace fs = std::filesystem;
using api::Value;

#define ORCH_NEEDS_ROOT() \
  if (::geteuid() != 0) SKIP("needs root")

struct Folder {
  Folder() {
    char name[] = "/tmp/orch-volumes-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() {
    if (unmount_beneath(path).ok()) fs::remove_all(path);
  }
  std::string path;
};

std::string text_of(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? *text : "<" + text.status().message + ">";
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("payloads are swapped whole", "[volumes]") {
  Folder folder;
  FakeClock clock;
  const Owner owner{::geteuid(), ::getegid(), false};
  Payload payload = {{"a", {"1", 0644}}, {"dir/b", {"2", 0400}}};
  CHECK(*write_payload(folder.path, payload, owner, clock));
  CHECK(text_of(folder.path + "/a") == "1");
  CHECK(text_of(folder.path + "/dir/b") == "2");
  CHECK(mode_of(folder.path + "/dir/b") == 0400);
  const auto first = fs::read_symlink(folder.path + "/..data");

  clock.advance(std::chrono::seconds(1));
  CHECK_FALSE(*write_payload(folder.path, payload, owner, clock));
  CHECK(fs::read_symlink(folder.path + "/..data") == first);

  // A reader that holds the old folder open keeps what it has.
  const UniqueFd old(::open((folder.path + "/a").c_str(), O_RDONLY | O_CLOEXEC));
  payload = {{"a", {"new", 0644}}};
  CHECK(*write_payload(folder.path, payload, owner, clock));
  char byte = 0;
  REQUIRE(::read(old.get(), &byte, 1) == 1);
  CHECK(byte == '1');
  CHECK(text_of(folder.path + "/a") == "new");
  CHECK_FALSE(fs::exists(fs::symlink_status(folder.path + "/dir")));
  CHECK_FALSE(fs::exists(folder.path / first));
  CHECK(fs::is_symlink(folder.path + "/a"));

  // Somebody changed a file behind our back.
  { const UniqueFd fd(::open((folder.path + "/a").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)); }
  clock.advance(std::chrono::seconds(1));
  CHECK(*write_payload(folder.path, payload, owner, clock));
  CHECK(text_of(folder.path + "/a") == "new");
}

TEST_CASE("payload paths stay inside", "[volumes]") {
  for (const char* bad : {"../x", "/x", "a/../b", "..x", "", "a//b", "."}) {
    INFO(bad);
    CHECK_FALSE(validate_payload_path(bad).ok());
  }
  for (const char* good : {"a", "a/b", ".hidden", "a/..b"}) CHECK(validate_payload_path(good).ok());
}

TEST_CASE("a subPath can't leave its volume", "[volumes]") {
  ORCH_NEEDS_ROOT();
  Folder folder;
  const std::string root = folder.path + "/volume", target = folder.path + "/target";
  const std::string outside = folder.path + "/outside";
  fs::create_directories(root + "/sub");
  fs::create_directories(outside);
  REQUIRE(write_file_atomic(outside + "/secret", "hush").ok());
  REQUIRE(write_file_atomic(root + "/sub/file", "in").ok());

  REQUIRE(bind_sub_path(root, "sub", target + "/a").ok());
  CHECK(text_of(target + "/a/file") == "in");
  REQUIRE(bind_sub_path(root, "sub/file", target + "/b").ok());
  CHECK(text_of(target + "/b") == "in");
  REQUIRE(bind_sub_path(root, "made/here", target + "/c").ok());
  CHECK(fs::is_directory(root + "/made/here"));
  // Again: replaced, not stacked.
  REQUIRE(bind_sub_path(root, "made", target + "/a").ok());
  CHECK(fs::exists(target + "/a/here"));

  fs::create_symlink(outside, root + "/absolute");
  fs::create_symlink("../outside", root + "/relative");
  fs::create_symlink("/proc/self/root", root + "/magic");
  for (const char* escape : {"absolute", "relative", "magic", "../outside", "absolute/secret"}) {
    INFO(escape);
    const std::string there = target + "/escape";
    if (bind_sub_path(root, escape, there).ok()) {
      // It led to somewhere inside of the volume: what lies outside is not seen.
      CHECK_FALSE(fs::exists(there + "/secret"));
      CHECK_FALSE(fs::exists(there + "/etc"));
      CHECK(text_of(there) != "hush");
    }
    CHECK(unmount_beneath(there).ok());
    fs::remove_all(there);
  }
  CHECK(text_of(outside + "/secret") == "hush");
  REQUIRE(unmount_beneath(target).ok());
  CHECK(unmount_beneath(target).ok());
}

TEST_CASE("mount points are found deepest first", "[volumes]") {
  const std::string info =
      "1 0 0:1 / / rw - ext4 x rw\n"
      "2 1 0:2 / /pods/a rw - tmpfs t rw\n"
      "3 1 0:3 / /pods/a/b\\040c rw - tmpfs t rw\n"
      "4 1 0:4 / /pods/ab rw - tmpfs t rw\n";
  CHECK(mount_points_beneath(info, "/pods/a") ==
        std::vector<std::string>{"/pods/a/b c", "/pods/a"});
}

TEST_CASE("hostPath types", "[volumes]") {
  Folder folder;
  CHECK(check_host_path(folder.path, "Directory").ok());
  CHECK(check_host_path(folder.path, "").ok());
  const auto failed = check_host_path(folder.path, "File");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.status().message == "hostPath type check failed: " + folder.path + " is not a file");
  CHECK(check_host_path(folder.path + "/x/y", "DirectoryOrCreate").ok());
  CHECK(fs::is_directory(folder.path + "/x/y"));
  CHECK(check_host_path(folder.path + "/f", "FileOrCreate").ok());
  CHECK_FALSE(check_host_path(folder.path + "/none", "Directory").ok());
  CHECK(check_host_path("/dev/null", "CharDevice").ok());
}

// Answers token requests besides what the fake cluster knows.
class TokenCluster : public client::FakeCluster {
 public:
  using FakeCluster::FakeCluster;
  Result<Value> create_sub(const api::Resource&, const client::ObjectKey& key,
                           std::string_view subresource, const Value& body) override {
    REQUIRE(subresource == "token");
    last = body;
    auto answer = Value::object();
    answer["status"].set("token", key.name + "-token-" + std::to_string(++count));
    return answer;
  }
  int count = 0;
  Value last;
};

Value object_named(const char* kind, const char* name, const std::string& rest) {
  Value object = *api::parse_yaml(rest);
  object.set("apiVersion", "v1");
  object.set("kind", kind);
  object["metadata"].set("name", name);
  object["metadata"].set("namespace", "ns");
  return object;
}

TEST_CASE("the volumes of a pod", "[volumes]") {
  ORCH_NEEDS_ROOT();
  Folder folder;
  FakeClock clock;
  TokenCluster cluster(clock);
  Volumes volumes(cluster, cluster, clock);
  REQUIRE(cluster
              .create(api::resource::config_maps(),
                      object_named("ConfigMap", "map", "{data: {a: '1', b: '2'}}"))
              .ok());
  REQUIRE(cluster
              .create(api::resource::secrets(),
                      object_named("Secret", "sec", "{data: {key: aHVzaA==}}"))
              .ok());
  Value pod = object_named("Pod", "p", R"(
metadata: {uid: u}
spec:
  serviceAccountName: robot
  securityContext: {fsGroup: 3456}
  volumes:
  - {name: map, configMap: {name: map, items: [{key: a, path: x/y, mode: 0600}]}}
  - {name: sec, secret: {secretName: sec, defaultMode: 0400}}
  - {name: gone, configMap: {name: nobody, optional: true}}
  - {name: empty, emptyDir: {}}
  - {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - name: all
    projected:
      sources:
      - serviceAccountToken: {path: token, expirationSeconds: 1000}
      - configMap: {name: map, items: [{key: b, path: b}]}
      - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
)");
  const PodContext context{
      pod,
      folder.path + "/pod",
      [&](std::string_view path) -> Result<std::string> { return pod.at(path).as_string(); },
      {}};
  const auto set_up = [&] {
    auto made = volumes.set_up(context);
    INFO((made.ok() ? "" : made.status().message));
    REQUIRE(made.ok());
    return std::move(*made);
  };
  const auto made = set_up();
  const auto path = [&](const char* name) { return made.volumes.at(name).path; };
  CHECK(text_of(path("map") + "/x/y") == "1");
  CHECK(mode_of(path("map") + "/x/y") == 0640);  // 0600 and what fsGroup needs.
  CHECK(text_of(path("sec") + "/key") == "hush");
  CHECK(text_of(path("all") + "/token") == "robot-token-1");
  CHECK(text_of(path("all") + "/b") == "2");
  CHECK(text_of(path("all") + "/name") == "p");
  CHECK(cluster.last["spec"]["boundObjectRef"]["uid"].as_string() == "u");
  CHECK((mode_of(path("empty")) & 02070) == 02070);
  struct stat info {};
  REQUIRE(::stat(path("empty").c_str(), &info) == 0);
  CHECK(info.st_gid == 3456);
  CHECK(made.refresh_at == clock.now() + std::chrono::seconds(800));
  REQUIRE(write_file_atomic(path("empty") + "/mine", "kept").ok());

  // The token is asked for again when 80 % of its life are over; a changed map is written anew.
  cluster.change(api::resource::config_maps(), {"ns", "map"},
                 [](Value* map) { (*map)["data"].set("a", "changed"); });
  clock.advance(std::chrono::seconds(799));
  set_up();
  CHECK(cluster.count == 1);
  CHECK(text_of(path("map") + "/x/y") == "changed");
  clock.advance(std::chrono::seconds(1));
  set_up();
  CHECK(text_of(path("all") + "/token") == "robot-token-2");
  CHECK(text_of(path("empty") + "/mine") == "kept");

  REQUIRE(volumes.tear_down(context.dir).ok());
  CHECK_FALSE(fs::exists(context.dir));
  CHECK(volumes.tear_down(context.dir).ok());
}

TEST_CASE("what is missing or unknown is said", "[volumes]") {
  Folder folder;
  FakeClock clock;
  client::FakeCluster cluster(clock);
  Volumes volumes(cluster, cluster, clock);
  const auto why = [&](const std::string& volume) {
    const Value pod = object_named("Pod", "p", "{spec: {volumes: [" + volume + "]}}");
    const auto made = volumes.set_up({pod, folder.path, {}, {}});
    REQUIRE_FALSE(made.ok());
    return made.status().message;
  };
  CHECK(why("{name: v, configMap: {name: none}}") ==
        "MountVolume.SetUp failed for volume \"v\" : configmaps \"none\" not found");
  CHECK(why("{name: v, persistentVolumeClaim: {claimName: c}}") ==
        "MountVolume.SetUp failed for volume \"v\" : volumes of kind persistentVolumeClaim are not "
        "supported");
}

TEST_CASE("tearing down never deletes through a bind mount", "[volumes]") {
  ORCH_NEEDS_ROOT();
  Folder folder;
  FakeClock clock;
  client::FakeCluster cluster(clock);
  Volumes volumes(cluster, cluster, clock);
  fs::create_directories(folder.path + "/host");
  REQUIRE(write_file_atomic(folder.path + "/host/precious", "x").ok());
  REQUIRE(bind_sub_path(folder.path, "host", folder.path + "/pod/subpaths/c/0").ok());
  REQUIRE(volumes.tear_down(folder.path + "/pod").ok());
  CHECK_FALSE(fs::exists(folder.path + "/pod"));
  CHECK(text_of(folder.path + "/host/precious") == "x");
}

}  // namespace
}  // namespace orch::volumes
