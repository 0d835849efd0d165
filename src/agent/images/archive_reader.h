// ArchiveReader: libarchive's handle of an archive that is read.
#pragma once

#include <archive.h>

#include <memory>

namespace orch::images {

struct ArchiveDeleter {
  void operator()(archive* reader) const { ::archive_read_free(reader); }
};
using ArchiveReader = std::unique_ptr<archive, ArchiveDeleter>;

}  // namespace orch::images
