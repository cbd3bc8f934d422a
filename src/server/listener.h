#pragma once
// An HTTP/1.1 server on a thread of its own: accepts connections, reads requests within limits, asks the router, and
// writes the answers. A coroutine for each connection, so that a thousand idle ones cost no threads.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/router.h"

namespace fathom::server {

struct ListenerParams {
  std::string host = "127.0.0.1";  // an address, or "localhost"
  uint16_t port = 0;               // 0: one that is free
  uint32_t header_bytes = 8 << 10;
  uint64_t body_bytes = 64 << 10;
  size_t connections = 128;  // open at once; further ones are closed at once
  // From a request's first byte to its last, and for the answer to be taken: who is slower is cut off.
  std::chrono::milliseconds request_time{10'000};
  std::chrono::milliseconds answer_time{30'000};
  // Between two requests of a connection.
  std::chrono::milliseconds idle_time{60'000};
  // For answers that are under way when the server stops.
  std::chrono::milliseconds stop_time{2'000};
};

class Listener {
 public:
  // Binds and begins to serve. Throws Error(kInvalidArgument) for a host that is no address, Error(kIo) for a port that
  // is taken or not allowed.
  //
  // On a loopback address, requests must name it as their host ("localhost", "127.0.0.1", "[::1]"): a page of the open
  // web whose name was pointed here by its owner's DNS cannot read what this machine keeps to itself.
  Listener(const ListenerParams& params, Router router);

  // Accepts no more, closes idle connections, gives answers under way their time, and joins the thread.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const;
  // "http://127.0.0.1:8090"
  std::string url() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::server
