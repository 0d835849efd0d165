// Images: pulls container images, keeps them unpacked, and lends their root file systems.
//
// The pods room asks for an image by the name in the pod's spec and gets an immutable ImageRef; it
// then mounts the image once per container (overlay: the layers below, a writable layer of the
// container's own above). Layers are shared between images by digest.
//
// Threads: all methods are thread-safe. ensure() blocks while it pulls; two calls for one name
// share one pull. The others take milliseconds. Errors carry the reason that users know from
// kubectl in Status::reason: "InvalidImageName", "ErrImagePull" (with the registry's own words),
// "ErrImageNeverPull"; find() gives 404 NotFound. Durability: everything lives in Options::dir and
// survives restarts and reboots; mounts do not survive a reboot, mounting again is always possible.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace orch::images {

// What the image says about how to run it (OCI image configuration, "config").
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // "NAME=value"
  std::string user;              // "", "1000", "1000:1000", "nginx", "nginx:www"
  std::string working_dir;
  std::string stop_signal;                 // "", "SIGQUIT", "3"
  std::vector<std::string> exposed_ports;  // "80/tcp"
  std::vector<std::string> volumes;        // Paths.
  std::map<std::string, std::string> labels;
};

struct ImageRef {
  std::string id;           // Digest of the image configuration: "sha256:...".
  std::string repo_digest;  // "docker.io/library/busybox@sha256:..."; "" for imported images.
  std::vector<std::string> names;  // Normalized: "docker.io/library/busybox:1.36".
  int64_t size_bytes = 0;
  ImageConfig config;
  bool pulled = false;  // ensure() had to fetch it; false: it was there.
};

enum class PullPolicy { if_not_present, always, never };

// A pull under way; called now and then on the pulling thread.
struct Progress {
  int layers_done = 0, layers = 0;
  int64_t bytes_done = 0, bytes = 0;
};

struct EnsureRequest {
  std::string image;  // As in the pod's spec: "busybox", "ghcr.io/a/b:v1", "x@sha256:...".
  PullPolicy policy = PullPolicy::if_not_present;
  // Texts of type kubernetes.io/dockerconfigjson (or the older dockercfg), tried in order.
  std::vector<std::string> credentials;
  std::function<void(const Progress&)> progress;  // May be empty.
  int cancel_fd = -1;  // Once it is readable the pull fails soon; not owned.
};

struct RegistryMirror {
  std::string host;                    // "docker.io"
  std::vector<std::string> endpoints;  // URLs tried in order before the host itself.
};

struct Options {
  std::string dir;                          // Store of layers, images and container layers.
  std::string import_dir;                   // *.tar found here at start are imported; "" = none.
  std::vector<std::string> insecure_hosts;  // Spoken to over plain HTTP.
  std::vector<RegistryMirror> mirrors;
};

class Images {
 public:
  static Result<std::unique_ptr<Images>> open(Options options, Clock& clock, Random& random);
  virtual ~Images() = default;

  // Makes the image be here as the policy says.
  virtual Result<ImageRef> ensure(const EnsureRequest& request) = 0;
  // By name as in a spec, or by id. 404 when it is not here.
  virtual Result<ImageRef> find(std::string_view name_or_id) = 0;
  virtual std::vector<ImageRef> list() = 0;
  // Forgets the image and the layers that nobody else needs. 409 while a container has it mounted.
  virtual Result<void> remove(std::string_view name_or_id) = 0;

  // The root file system for a container: absolute path, writable, kept for `container_id` until
  // unmount. Calling it again gives the same path.
  virtual Result<std::string> mount(const std::string& image_id,
                                    const std::string& container_id) = 0;
  // Unmounts and deletes the container's own layer. Missing is success.
  virtual Result<void> unmount(const std::string& container_id) = 0;
  // Containers that have something mounted or left over, to collect orphans after a crash.
  virtual std::vector<std::string> mounted() = 0;

  // Docker or OCI archives (docker save, skopeo oci-archive).
  virtual Result<std::vector<ImageRef>> import_archive(const std::string& path) = 0;
};

}  // namespace orch::images
