// Operator: whoever decides which servers there are. He adds new ones and lets them vote, takes the
// vote from others, removes them, also the one that leads, and replaces one that is gone for good
// or says that its disk is damaged by a new one, with a new id and an empty disk. One thing at a
// time, asked of any server, again and again until it has taken effect.
//
// He loses servers only where the product promises to bear it: one at a time, and of voters only
// while most of the others are left.
#pragma once

#include <deque>
#include <map>

#include "server.h"

namespace orch::sim {

class Operator {
 public:
  explicit Operator(Cluster& cluster) : cluster_(cluster), world_(cluster.world) {}

  void begin();     // The servers that there are began the log together.
  void consider();  // Perhaps begins a change.
  // Whether this server may be lost now; and that it is, though nobody may know yet.
  bool may_lose(const Server& server) const;
  void lose(const Server& server) { lost_ = server.id(); }

  bool idle() const { return steps_.empty() && lost_trouble().empty(); }
  std::vector<Server*> members();  // As every change so far leaves them.
  // What a member says of who the members are, should it be something else.
  std::string check_members(Server& member) const;
  std::string story() const;  // What he is about to do.
  size_t changes() const { return changes_; }
  size_t replaced() const { return replaced_; }

 private:
  using Kind = store::MemberChange::Kind;

  size_t voters() const;
  std::string lost_trouble() const;
  uint64_t any_member(bool voter) const;  // 0 when there is none.
  uint64_t any_voter_or_leader();
  void plan(Kind kind, uint64_t server);
  void plan_new(bool votes);
  void replace(uint64_t server);
  void look();
  void ask();
  void ask_later(uint64_t ms);
  void take_answer(const Result<void>& result);
  void go_on();
  void note(const store::MemberChange& change);

  Cluster& cluster_;
  World& world_;
  std::map<uint64_t, bool> members_;  // Whether it votes.
  std::deque<store::MemberChange> steps_;
  uint64_t lost_ = 0;
  uint64_t token_ = 0;     // Of the last question.
  size_t unanswered_ = 0;  // Questions: what they ask for may still come to be.
  size_t changes_ = 0, replaced_ = 0;
};

}  // namespace orch::sim
