#pragma once
// A client that says exactly the bytes that a test wants said, well-formed or not.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace fathom::server {

class TestClient {
 public:
  explicit TestClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    // A server that answers nothing fails a test instead of holding it up.
    const timeval patience = {.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~TestClient() { ::close(socket_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool is_connected() const { return is_connected_; }

  bool say(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // All that comes until the server closes; "(silence)" at the end when it does not.
  std::string hear_all() const {
    std::string heard;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (got == 0) return heard;
      if (got < 0) return heard + (errno == EAGAIN ? "(silence)" : "(reset)");
      heard.append(buffer, static_cast<size_t>(got));
    }
  }

  // Until `end` has come.
  std::string hear_until(std::string_view end) const {
    std::string heard;
    char c = 0;
    while (!heard.ends_with(end) && ::recv(socket_, &c, 1, 0) == 1) heard += c;
    return heard;
  }

 private:
  int socket_;
  bool is_connected_ = false;
};

// The whole answer to one request.
inline std::string ask(uint16_t port, std::string_view request) {
  const TestClient client(port);
  client.say(request);
  return client.hear_all();
}

inline std::string get(uint16_t port, const std::string& target) {
  return ask(port, "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

// "404" of "HTTP/1.1 404 Not Found..."
inline std::string status_of(const std::string& answer) { return answer.size() < 12 ? answer : answer.substr(9, 3); }

inline std::string body_of(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace fathom::server
