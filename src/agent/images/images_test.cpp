// Images by their archives: what is good goes in, what is hostile does not get out.
#include "agent/images/images.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "agent/images/layer_store.h"
#include "agent/images/manifest.h"
#include "agent/images/reference.h"
#include "agent/images/registry.h"
#include "agent/images/unpack.h"
#include "api/json.h"
#include "base/files.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::images {
namespace {

class TempDir {
 public:
  TempDir() { REQUIRE(::mkdtemp(path_) != nullptr); }
  ~TempDir() { CHECK(remove_tree(path_)); }
  std::string operator/(const std::string& name) const { return std::string(path_) + "/" + name; }

 private:
  char path_[32] = "/tmp/orch-images.XXXXXX";
};

// Writes a tar (ustar) entry by entry, hostile names included.
class Tar {
 public:
  explicit Tar(const std::string& path) : path_(path) {}
  ~Tar() { CHECK(write_file_atomic(path_, text_ + std::string(1024, '\0'))); }

  static constexpr char kFile = '0', kHardLink = '1', kLink = '2', kFolder = '5';

  // `content` is the target of a link.
  void add(const std::string& name, char type, const std::string& content = "",
           unsigned perm = 0644) {
    const bool has_data = type == kFile;
    char header[512] = {};
    REQUIRE(name.size() <= 100);
    name.copy(header, 100);
    std::snprintf(header + 100, 8, "%07o", perm);
    std::snprintf(header + 108, 8, "%07o", 0u);
    std::snprintf(header + 116, 8, "%07o", 0u);
    std::snprintf(header + 124, 12, "%011zo", has_data ? content.size() : size_t{0});
    std::snprintf(header + 136, 12, "%011o", 1'700'000'000u);
    header[156] = type;
    if (!has_data) content.copy(header + 157, 100);
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header + 148, 8, "%06o", sum);
    text_.append(header, sizeof header);
    if (!has_data) return;
    text_ += content;
    text_.append((512 - content.size() % 512) % 512, '\0');
  }
  void add_hardlink(const std::string& name, const std::string& target) {
    add(name, kHardLink, target);
  }

 private:
  const std::string path_;
  std::string text_;
};

// Writes a docker archive of the layers at `paths`; gives the image's id.
std::string write_docker_archive(const std::string& path, const std::string& name,
                                 const std::vector<std::string>& layer_paths) {
  api::Value layers(api::Array{}), diff_ids(api::Array{});
  Tar tar(path);
  for (size_t i = 0; i < layer_paths.size(); ++i) {
    const std::string text = *read_file(layer_paths[i]);
    const std::string file = "layer" + std::to_string(i) + ".tar";
    tar.add(file, Tar::kFile, text);
    layers.push_back(file);
    diff_ids.push_back("sha256:" + crypto::sha256_hex(text));
  }
  const std::string config = api::to_json(api::Value::object(
      {{"architecture", machine_architecture()},
       {"os", "linux"},
       {"config", api::Value::object({{"Cmd", api::Value::array({"/bin/hello", "you"})},
                                      {"Env", api::Value::array({"A=b"})},
                                      {"User", "65534"}})},
       {"rootfs", api::Value::object({{"type", "layers"}, {"diff_ids", diff_ids}})}}));
  tar.add("config.json", Tar::kFile, config);
  tar.add(
      "manifest.json", Tar::kFile,
      api::to_json(api::Value::array({api::Value::object({{"Config", "config.json"},
                                                          {"RepoTags", api::Value::array({name})},
                                                          {"Layers", layers}})})));
  return "sha256:" + crypto::sha256_hex(config);
}

std::unique_ptr<Images> open_images(const TempDir& dir) {
  Options options;
  options.dir = dir / "store";
  auto images = Images::open(options, system_clock(), system_random());
  REQUIRE(images);
  return std::move(*images);
}

TEST_CASE("image names are made whole as docker's users expect") {
  const auto whole = [](std::string_view text) {
    const auto reference = parse_reference(text);
    return reference ? reference->to_string() : reference.status().reason;
  };
  CHECK(whole("busybox") == "docker.io/library/busybox:latest");
  CHECK(whole("a/b:v1") == "docker.io/a/b:v1");
  CHECK(whole("127.0.0.1:5000/x") == "127.0.0.1:5000/x:latest");
  CHECK(whole("localhost/x:1") == "localhost/x:1");
  CHECK(whole("ghcr.io/a/b__c.d-e:V_1") == "ghcr.io/a/b__c.d-e:V_1");
  const std::string digest = "@sha256:" + std::string(64, 'a');
  CHECK(whole("x" + digest) == "docker.io/library/x" + digest);
  // 255 bytes at most, with what was added: what is printed can be read again.
  CHECK(whole(std::string(237, 'x')) == "docker.io/library/" + std::string(237, 'x') + ":latest");
  CHECK(whole(std::string(238, 'x')) == "InvalidImageName");
  for (const char* bad : {"", ":tag", "a/UPPER", "a//b", "a/../b", "a:b:c", "-a", "a-",
                          "a@sha256:1", "a b", "x:", "a___b", "a..b", "http://x/y"})
    CHECK(whole(bad) == "InvalidImageName");
}

TEST_CASE("layers unpack with their attributes, whiteouts become overlay's") {
  if (::geteuid() != 0) SKIP("needs root");
  TempDir dir;
  {
    Tar tar(dir / "layer.tar");
    tar.add("usr/bin/tool", Tar::kFile, "#!x", 04755);
    tar.add("usr/", Tar::kFolder, "", 0700);
    tar.add("link", Tar::kLink, "/usr/bin/tool");
    tar.add_hardlink("hard", "usr/bin/tool");
    tar.add("gone/.wh.file", Tar::kFile);
    tar.add("opaque/.wh..wh..opq", Tar::kFile);
  }
  REQUIRE(make_dirs(dir / "out"));
  REQUIRE(unpack_layer(dir / "layer.tar", dir / "out"));
  struct stat info {};
  REQUIRE(::stat((dir / "out/usr/bin/tool").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 04755);
  CHECK(info.st_mtime == 1'700'000'000);
  CHECK(info.st_nlink == 2);
  REQUIRE(::stat((dir / "out/usr").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
  REQUIRE(::lstat((dir / "out/gone/file").c_str(), &info) == 0);
  CHECK((S_ISCHR(info.st_mode) && info.st_rdev == 0));
  char value[4];
  CHECK(::getxattr((dir / "out/opaque").c_str(), "trusted.overlay.opaque", value, 4) == 1);
}

TEST_CASE("a hostile layer does not get out of its folder") {
  if (::geteuid() != 0) SKIP("needs root");
  TempDir dir;
  const auto unpack = [&](auto&& fill, UnpackLimits limits = {}) {
    CHECK(remove_tree(dir / "out"));
    CHECK(make_dirs(dir / "out"));
    {
      Tar tar(dir / "layer.tar");
      fill(tar);
    }
    return unpack_layer(dir / "layer.tar", dir / "out", limits);
  };
  REQUIRE(write_file_atomic(dir / "victim", "safe"));

  CHECK_FALSE(unpack([](Tar& t) { t.add("../victim", Tar::kFile, "owned"); }));
  CHECK_FALSE(unpack([](Tar& t) { t.add("a/../../victim", Tar::kFile, "owned"); }));
  CHECK(unpack([&](Tar& t) { t.add(dir / "victim", Tar::kFile, "owned"); }));  // Below the root.
  // A link leads nowhere but below the root, where its target is not.
  CHECK_FALSE(unpack([&](Tar& t) {
    t.add("up", Tar::kLink, dir / "");
    t.add("up/victim", Tar::kFile, "owned");
  }));
  CHECK_FALSE(unpack([&](Tar& t) {
    t.add("up", Tar::kLink, "../../../../../../.." + (dir / ""));
    t.add("up/victim", Tar::kFile, "owned");
  }));
  CHECK(unpack([&](Tar& t) {
    t.add("victim", Tar::kLink, dir / "victim");
    t.add("victim", Tar::kFile, "owned");  // Replaces the link itself.
  }));
  CHECK_FALSE(unpack([&](Tar& t) { t.add_hardlink("h", "../victim"); }));
  CHECK_FALSE(unpack([&](Tar& t) { t.add_hardlink("h", dir / "victim"); }));
  CHECK(*read_file(dir / "victim") == "safe");

  UnpackLimits small;
  small.max_bytes = 100;
  CHECK_FALSE(unpack([](Tar& t) { t.add("big", Tar::kFile, std::string(101, 'x')); }, small));
  small.max_entries = 2;
  CHECK_FALSE(unpack(
      [](Tar& t) {
        for (const char* name : {"a", "b", "c"}) t.add(name, Tar::kFile);
      },
      small));
  CHECK_FALSE(unpack([](Tar& t) { t.add("a/.wh...", Tar::kFile); }));
}

TEST_CASE("an imported image mounts as the sum of its layers") {
  if (::geteuid() != 0) SKIP("needs root");
  TempDir dir;
  {
    Tar lower(dir / "a.tar"), upper(dir / "b.tar");
    lower.add("bin/hello", Tar::kFile, "one", 0755);
    lower.add("old", Tar::kFile, "x");
    upper.add("bin/hello", Tar::kFile, "two", 0755);
    upper.add(".wh.old", Tar::kFile);
  }
  const std::string id =
      write_docker_archive(dir / "image.tar", "hello:1", {dir / "a.tar", dir / "b.tar"});
  const auto images = open_images(dir);
  const auto imported = images->import_archive(dir / "image.tar");
  REQUIRE(imported);
  REQUIRE(imported->size() == 1);
  CHECK((*imported)[0].id == id);

  const auto found = images->ensure({"hello:1", PullPolicy::if_not_present, {}, {}});
  REQUIRE(found);
  CHECK(found->config.cmd == std::vector<std::string>{"/bin/hello", "you"});
  CHECK(found->config.user == "65534");
  CHECK_FALSE(found->pulled);

  const auto root = images->mount(id, "c1");
  REQUIRE(root);
  CHECK(*images->mount(id, "c1") == *root);  // The same again.
  CHECK(*read_file(*root + "/bin/hello") == "two");
  CHECK_FALSE(file_exists(*root + "/old"));
  CHECK(images->remove("hello:1").status().conflict());
  CHECK(images->mounted() == std::vector<std::string>{"c1"});
  CHECK(images->unmount("c1"));
  CHECK(images->unmount("c1"));
  CHECK(images->mounted().empty());
  CHECK(images->remove("hello:1"));
  CHECK(images->find("hello:1").status().not_found());
}

TEST_CASE("an archive in the import folder is read once, and again when it changed") {
  if (::geteuid() != 0) SKIP("needs root");
  TempDir dir;
  const auto open_with_imports = [&] {
    Options options;
    options.dir = dir / "store";
    options.import_dir = dir / "import";
    auto images = Images::open(options, system_clock(), system_random());
    REQUIRE(images);
    return std::move(*images);
  };
  REQUIRE(make_dirs(dir / "import"));
  const auto write_layer = [&](const std::string& text) {
    Tar layer(dir / "a.tar");
    layer.add("a", Tar::kFile, text);
  };
  write_layer("one");
  const std::string archive = dir / "import/image.tar";
  const std::string one = write_docker_archive(archive, "hello:1", {dir / "a.tar"});
  CHECK(open_with_imports()->find("hello:1")->id == one);

  // The same path, size and time: not looked at, though its bytes are no archive any more.
  struct stat before {};
  REQUIRE(::stat(archive.c_str(), &before) == 0);
  const std::string kept = *read_file(archive, 1 << 20);
  std::ofstream(archive) << std::string(kept.size(), 'x');
  const timespec times[2] = {before.st_atim, before.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, archive.c_str(), times, 0) == 0);
  CHECK(open_with_imports()->find("hello:1")->id == one);

  write_layer("another");
  const std::string two = write_docker_archive(archive, "hello:2", {dir / "a.tar"});
  CHECK(open_with_imports()->find("hello:2")->id == two);
  // A removed image comes back with the next start, as the folder says.
  CHECK(open_with_imports()->remove("hello:2"));
  CHECK(open_with_imports()->find("hello:2")->id == two);
}

TEST_CASE("opening a store that is in use leaves alone what is under way there") {
  TempDir dir;
  auto first = LayerStore::open(dir / "store", system_random());
  REQUIRE(first);
  const std::string under_way = *(*first)->make_temporary();
  CHECK(LayerStore::open(dir / "store", system_random()));
  CHECK(file_exists(under_way));
  first->reset();
  CHECK(LayerStore::open(dir / "store", system_random()));
  CHECK_FALSE(file_exists(under_way));
}

TEST_CASE("pull policies without a registry") {
  TempDir dir;
  const auto images = open_images(dir);
  CHECK(images->ensure({"hello:1", PullPolicy::never, {}, {}}).status().is("ErrImageNeverPull"));
  CHECK(images->ensure({"Bad Name", PullPolicy::always, {}, {}}).status().is("InvalidImageName"));
  // Nothing listens there.
  CHECK(images->ensure({"127.0.0.1:1/x", PullPolicy::always, {}, {}}).status().is("ErrImagePull"));
}

TEST_CASE("a damaged or hostile image archive is refused with a reason") {
  TempDir dir;
  const auto images = open_images(dir);
  const auto import = [&](const std::string& text) {
    REQUIRE(write_file_atomic(dir / "x.tar", text));
    return images->import_archive(dir / "x.tar");
  };
  CHECK_FALSE(import(""));
  CHECK_FALSE(import("not a tar at all"));
  {
    Tar tar(dir / "x.tar");
    tar.add("../manifest.json", Tar::kFile, "[]");
  }
  CHECK_FALSE(images->import_archive(dir / "x.tar"));
  {
    Tar tar(dir / "x.tar");
    tar.add("manifest.json", Tar::kFile, R"([{"Config":"/etc/passwd","Layers":[]}])");
  }
  CHECK_FALSE(images->import_archive(dir / "x.tar"));
  {
    Tar tar(dir / "x.tar");
    tar.add("index.json", Tar::kFile,
            R"({"manifests":[{"digest":"sha256:)" + std::string(64, '0') + R"(","size":1}]})");
    tar.add("blobs/sha256/" + std::string(64, '0'), Tar::kFile, "{}");
  }
  CHECK_FALSE(images->import_archive(dir / "x.tar"));
  CHECK(images->list().empty());
}

TEST_CASE("challenges and docker configurations are read as registries write them") {
  const auto fields = parse_challenge(
      R"(Bearer realm="https://a/token",service="reg, \"x\"",scope=repository:a:pull)");
  CHECK(fields.at("") == "bearer");
  CHECK(fields.at("realm") == "https://a/token");
  CHECK(fields.at("service") == "reg, \"x\"");
  CHECK(fields.at("scope") == "repository:a:pull");
  CHECK(parse_challenge("Basic").at("") == "basic");

  const std::string auth = base64_encode("u:p:q");
  const std::string config = R"({"auths":{"https://index.docker.io/v1/":{"auth":")" + auth +
                             R"("},"r:5000":{"username":"x","password":"y"}}})";
  CHECK(find_credential(config, "docker.io").user == "u");
  CHECK(find_credential(config, "docker.io").password == "p:q");
  CHECK(find_credential(config, "r:5000").user == "x");
  CHECK(find_credential(config, "elsewhere").user.empty());
  CHECK(find_credential("not json", "r").user.empty());
}

}  // namespace
}  // namespace orch::images
