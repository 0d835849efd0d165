// `orch image`: works on the folder of images itself, beside a running agent or without one.
#include <cstdio>

#include "agent/images/images.h"
#include "base/clock.h"
#include "cli/process.h"
#include "cli/verbs.h"

namespace orch::cli {

namespace {

Result<std::unique_ptr<images::Images>> open_images(const ImageOptions& options) {
  images::Options images_options;
  images_options.dir = images_dir(options.data_dir);
  return images::Images::open(images_options, system_clock(), system_random());
}

// 12 digits tell images apart, as users of other tools know it.
std::string short_id(const std::string& id) { return id.substr(7, 12); }

std::string human_size(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

}  // namespace

int run_image_import(const ImageOptions& options) {
  auto images = open_images(options);
  if (!images) return fail(images.status());
  for (const std::string& archive : options.archives) {
    const auto imported = (*images)->import_archive(archive);
    if (!imported) return fail(imported.status());
    for (const images::ImageRef& image : *imported) {
      if (image.names.empty()) std::printf("imported %s\n", image.id.c_str());
      for (const std::string& name : image.names)
        std::printf("imported %s (%s)\n", name.c_str(), short_id(image.id).c_str());
    }
  }
  return 0;
}

int run_image_list(const ImageOptions& options) {
  auto images = open_images(options);
  if (!images) return fail(images.status());
  struct Row {
    std::string name, id, size;
  };
  std::vector<Row> rows{{"IMAGE", "ID", "SIZE"}};
  for (const images::ImageRef& image : (*images)->list()) {
    const std::string id = short_id(image.id), size = human_size(image.size_bytes);
    if (image.names.empty())
      rows.push_back({image.repo_digest.empty() ? "<none>" : image.repo_digest, id, size});
    for (const std::string& name : image.names) rows.push_back({name, id, size});
  }
  size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  for (const Row& row : rows)
    std::printf("%-*s  %-12s  %s\n", static_cast<int>(width), row.name.c_str(), row.id.c_str(),
                row.size.c_str());
  return 0;
}

}  // namespace orch::cli
