// PodWorker's images: made ready in the background, before a container starts.
#include "agent/pods/pod_worker.h"
#include "api/resources.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

images::PullPolicy pull_policy(const api::Value& container) {
  const auto& text = container["imagePullPolicy"].as_string();
  if (text == "Always") return images::PullPolicy::always;
  if (text == "Never") return images::PullPolicy::never;
  return images::PullPolicy::if_not_present;
}

std::string go_seconds(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  if (ms < 1000) return std::to_string(ms) + "ms";
  std::string fraction = std::to_string(1000 + ms % 1000).substr(1);
  return std::to_string(ms / 1000) + "." + fraction + "s";
}

}  // namespace

std::vector<std::string> PodWorker::pull_credentials() const {
  std::vector<std::string> texts;
  const auto& ns = pod_namespace(server_pod_);
  for (const auto& reference : server_pod_["spec"]["imagePullSecrets"].items()) {
    const client::ObjectKey key{ns, reference["name"].as_string()};
    auto secret = node_.cache.get(api::resource::secrets(), key);
    if (!secret) {
      auto fetched = node_.api.get(api::resource::secrets(), key);
      if (!fetched.ok()) continue;  // The pull itself says what is wrong.
      secret = std::move(*fetched);
    }
    for (const char* member : {".dockerconfigjson", ".dockercfg"}) {
      auto text = base64_decode((*secret)["data"][member].as_string());
      if (text && !text->empty()) texts.push_back(std::move(*text));
    }
  }
  return texts;
}

void PodWorker::pull_image(const ContainerSpec& container) {
  const std::string name = container.name(), image = container.image();
  ImageState& state = images_[name];
  const auto policy = pull_policy(*container.spec);
  if (policy == images::PullPolicy::if_not_present && node_.images.find(image).ok()) {
    event("Normal", "Pulled", "Container image \"" + image + "\" already present on machine", name);
    state = {};
    state.phase = ImageState::Phase::ready;
    node_.wake(uid_);
    return;
  }
  state.phase = ImageState::Phase::pulling;
  if (policy != images::PullPolicy::never) {
    event("Normal", "Pulling", "Pulling image \"" + image + "\"", name);
  }
  images::EnsureRequest request{image, policy, pull_credentials(), {}, node_.stop_fd};
  const auto job = [self = shared_from_this(), name, request = std::move(request)] {
    const MonoTime began = self->node_.clock.monotonic();
    const auto pulled = self->node_.images.ensure(request);
    if (self->node_.is_stopping()) return;
    ImageState result;
    if (pulled.ok()) {
      result.phase = ImageState::Phase::ready;
      if (pulled->pulled) {
        const std::string time = go_seconds(self->node_.clock.monotonic() - began);
        self->event("Normal", "Pulled",
                    "Successfully pulled image \"" + request.image + "\" in " + time + " (" + time +
                        " including waiting). Image size: " + std::to_string(pulled->size_bytes) +
                        " bytes.",
                    name);
      }
    } else {
      const Status& why = pulled.status();
      result.phase = ImageState::Phase::failed;
      result.failed_at = self->node_.clock.now();
      const bool known = why.is("InvalidImageName") || why.is("ErrImageNeverPull");
      result.reason = known ? why.reason : "ErrImagePull";
      result.message = why.message;
      self->event("Warning", "Failed",
                  "Failed to pull image \"" + request.image + "\": " + why.message, name);
      self->event("Warning", "Failed", "Error: " + result.reason, name);
      if (result.reason == "ErrImagePull") {
        self->event("Normal", "BackOff", "Back-off pulling image \"" + request.image + "\"", name);
      }
    }
    {
      const std::lock_guard lock(self->mutex_);
      self->mailbox_.images[name] = std::move(result);
    }
    self->node_.wake(self->uid_);
  };
  if (!node_.jobs.run(job)) state.phase = ImageState::Phase::unknown;
}

}  // namespace orch::pods
