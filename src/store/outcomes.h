// What becomes of an object when some of the writes to it failed, and may have happened or not. For
// tests only.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <string>

#include "store/store.h"

namespace orch::store {

inline std::string text_of(const RecordPtr& record) {
  if (!record) return "";
  std::string text(record->bytes);
  return text.erase(record->revision_at, record->revision_len);
}

struct Outcomes {
  std::map<std::string, std::set<std::string>> may_be;  // Key → each text it may have; "": none.
  int64_t revision = 0;                                 // The highest one that was told.
  int acknowledged = 0;

  void note(const Write& write, const Result<Committed>& done) {
    std::set<std::string>& texts = may_be[write.key];
    if (texts.empty()) texts = {""};
    const std::string text = write.bytes.value_or("");
    if (!done) {
      if (done.status().not_found()) return;  // It lost a race.
      REQUIRE((done.status().code == 503 || done.status().code == 504));
      texts.insert(text);
      return;
    }
    revision = done->revision;
    ++acknowledged;
    if (write.durability == Durability::durable) texts.clear();
    texts.insert(text);
  }

  void check(const Store& store) const {
    CHECK(store.revision() >= revision);
    for (const auto& [key, texts] : may_be) {
      const std::string text = text_of(store.get(key));
      INFO(key << " is " << text.substr(0, 48));
      CHECK(texts.contains(text));
    }
  }
};

}  // namespace orch::store
