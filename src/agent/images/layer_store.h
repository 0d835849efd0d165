// LayerStore: unpacked layers, image records and container roots in one folder.
//
//   layers/<key>/            one unpacked layer, a lower of overlays; key = digest, shortened
//   images/<config hex>.json one image: names, layers, configuration
//   containers/<id>/         upper, work and the mounted root of one container
//   tmp/                     what is under way; emptied at open by who is alone here
//   in-use                   locked, shared, by each open LayerStore
//
// Layers are keyed by the digest of the very bytes that were unpacked, which this class checks: no
// image can claim another's layer. Nothing is kept in memory, so that `orch image` may work beside
// a running agent: changes take lock(), records appear by rename.
// Durability: a layer is synced before its name appears. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "agent/images/images.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::images {

// What images/<hex>.json holds: the reference that callers get, and the layers below it.
struct ImageRecord {
  ImageRef image;
  std::vector<std::string> layers;  // Digests, lowest first.
};

class LayerStore {
 public:
  static Result<std::unique_ptr<LayerStore>> open(std::string dir, Random& random);

  // Held while images or layers are added or removed; across processes.
  Result<UniqueFd> lock() const;

  bool has_layer(const std::string& digest) const;
  // Unpacks `archive_path`, whose bytes have that digest (the caller checked), and names it.
  Result<void> add_layer(const std::string& digest, const std::string& archive_path);

  std::vector<ImageRecord> images() const;
  Result<void> put_image(const ImageRecord& record);
  // Removes the record and the layers that no other record has. REQUIRES: lock() is held.
  Result<void> drop_image(const ImageRecord& record);

  Result<std::string> mount(const ImageRecord& record, const std::string& container_id);
  Result<void> unmount(const std::string& container_id);
  std::vector<std::string> containers() const;
  // Ids of images that containers were mounted from.
  std::vector<std::string> mounted_images() const;

  // A fresh folder below tmp/; the caller removes it.
  Result<std::string> make_temporary() const;

 private:
  LayerStore(std::string dir, Random& random) : dir_(std::move(dir)), random_(random) {}
  std::string container_dir(const std::string& id) const { return dir_ + "/containers/" + id; }

  const std::string dir_;
  UniqueFd in_use_;
  Random& random_;
};

}  // namespace orch::images
