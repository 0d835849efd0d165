// RwLock: many readers or one writer; a waiting writer goes before new readers. std::shared_mutex
// (glibc's default) lets readers that overlap keep the writer out for ever, and the store has one
// writer and many readers. Use with std::shared_lock and std::unique_lock. Not recursive.
#pragma once

#include <pthread.h>

#include "base/check.h"

namespace orch::store {

class RwLock {
 public:
  RwLock() {
    pthread_rwlockattr_t attributes;
    ORCH_CHECK(pthread_rwlockattr_init(&attributes) == 0);
    ORCH_CHECK(pthread_rwlockattr_setkind_np(&attributes,
                                             PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    ORCH_CHECK(pthread_rwlock_init(&lock_, &attributes) == 0);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~RwLock() { pthread_rwlock_destroy(&lock_); }
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;

  void lock() { ORCH_CHECK(pthread_rwlock_wrlock(&lock_) == 0); }
  void unlock() { ORCH_CHECK(pthread_rwlock_unlock(&lock_) == 0); }
  void lock_shared() { ORCH_CHECK(pthread_rwlock_rdlock(&lock_) == 0); }
  void unlock_shared() { ORCH_CHECK(pthread_rwlock_unlock(&lock_) == 0); }

 private:
  pthread_rwlock_t lock_;
};

}  // namespace orch::store
