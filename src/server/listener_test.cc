// The listener: what it answers, and what it does with those who mean no good.

#include "server/listener.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "server/test_client.h"

namespace fathom::server {
namespace {

using std::chrono::milliseconds;

Router routes() {
  Router router;
  router.add("GET", "/", [](const Request&) { return Response{.content_type = "text/plain", .body = "hello"}; });
  router.add("GET", "/query", [](const Request& r) {
    std::string body;
    for (const auto& [name, value] : r.query) body += name + "=" + value + ";";
    return Response{.body = body};
  });
  router.add("POST", "/echo", [](const Request& r) { return Response{.body = r.body}; });
  router.add("GET", "/large", [](const Request&) { return Response{.body = std::string(32 << 20, 'x')}; });
  router.add("GET", "/missing", [](const Request&) -> Response { throw Error(ErrorCode::kNotFound, "is not there"); });
  router.add("GET", "/broken", [](const Request&) -> Response { throw std::runtime_error("secret"); });
  return router;
}

ListenerParams quick() {
  return {.header_bytes = 1024,
          .body_bytes = 100,
          .connections = 4,
          .request_time = milliseconds(300),
          .answer_time = milliseconds(300),
          .idle_time = milliseconds(300),
          .stop_time = milliseconds(200)};
}

class ListenerTest : public testing::Test {
 protected:
  Listener listener_{quick(), routes()};
  uint16_t port_ = listener_.port();
};

std::string request(const std::string& line, const std::string& headers = "") {
  return line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n";
}

// Connections that were just closed may still count for a moment.
std::string get_patiently(uint16_t port, const std::string& target) {
  for (int i = 0; i < 100; ++i) {
    std::string answer = get(port, target);
    if (status_of(answer) == "200") return answer;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return "";
}

TEST_F(ListenerTest, Answers) {
  const std::string answer = get(port_, "/");
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_EQ(body_of(answer), "hello");
  EXPECT_NE(answer.find("Content-Type: text/plain"), std::string::npos);
  EXPECT_EQ(listener_.url(), "http://127.0.0.1:" + std::to_string(port_));
}

TEST_F(ListenerTest, KeepsAConnectionAndAnswersInOrder) {
  const TestClient client(port_);
  client.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /query?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(client.hear_until("hello").ends_with("hello"));
  EXPECT_TRUE(client.hear_until("a=1;").ends_with("a=1;"));
  client.say(request("GET /"));
  EXPECT_EQ(body_of(client.hear_all()), "hello");
}

TEST_F(ListenerTest, DecodesTheQuery) {
  EXPECT_EQ(body_of(get(port_, "/query?b=x%20y+z&a=%C3%A9&b=2&empty")), "a=\xC3\xA9;b=2;empty=;");
}

TEST_F(ListenerTest, HeadHasNoBody) {
  const std::string answer = ask(port_, request("HEAD /"));
  EXPECT_EQ(status_of(answer), "200");
  EXPECT_NE(answer.find("Content-Length: 5"), std::string::npos);
  EXPECT_EQ(body_of(answer), "");
}

TEST_F(ListenerTest, TakesABody) {
  EXPECT_EQ(body_of(ask(port_, request("POST /echo", "Content-Length: 3\r\n") + "abc")), "abc");
  EXPECT_EQ(body_of(ask(port_, request("POST /echo", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n")),
            "abc");
}

TEST_F(ListenerTest, UnknownPathsAndMethods) {
  EXPECT_EQ(status_of(get(port_, "/nothing")), "404");
  const std::string answer = ask(port_, request("DELETE /"));
  EXPECT_EQ(status_of(answer), "405");
  EXPECT_NE(answer.find("Allow: GET, HEAD"), std::string::npos);
  EXPECT_EQ(status_of(ask(port_, request("GET /echo"))), "405");
  EXPECT_EQ(status_of(ask(port_, request("BREW /"))), "405");
}

TEST_F(ListenerTest, FailuresOfHandlers) {
  EXPECT_EQ(status_of(get(port_, "/missing")), "404");
  const std::string answer = get(port_, "/broken");
  EXPECT_EQ(status_of(answer), "500");
  EXPECT_EQ(answer.find("secret"), std::string::npos);
}

TEST_F(ListenerTest, PathsThatClimb) {
  for (const char* target :
       {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd"}) {
    EXPECT_EQ(status_of(get(port_, target)), "404") << target;
  }
  for (const char* target : {"/%00", "/%zz", "/%2", "/%0d%0aX-Y:1", "etc/passwd", "http://localhost/", "*"}) {
    EXPECT_EQ(status_of(get(port_, target)), "400") << target;
  }
}

TEST_F(ListenerTest, HostsOfOthers) {
  const auto with_host = [&](const std::string& host) {
    return status_of(ask(port_, "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"));
  };
  EXPECT_EQ(with_host("localhost:8090"), "200");
  EXPECT_EQ(with_host("127.0.0.1"), "200");
  EXPECT_EQ(with_host("[::1]:8090"), "200");
  EXPECT_EQ(with_host("[::1]"), "200");
  EXPECT_EQ(with_host("example.com"), "403");
  EXPECT_EQ(with_host("localhost.example.com:80"), "403");
  EXPECT_EQ(status_of(ask(port_, "GET / HTTP/1.0\r\n\r\n")), "403");
}

TEST_F(ListenerTest, TooMuch) {
  EXPECT_EQ(status_of(ask(port_, request("GET /", "X: " + std::string(2000, 'a') + "\r\n"))), "431");
  // Far more than a socket's buffers hold: the answer arrives all the same.
  EXPECT_EQ(status_of(ask(port_, "GET /" + std::string(300'000, 'a'))), "431");
  EXPECT_EQ(status_of(ask(port_, request("POST /echo", "Content-Length: 101\r\n") + std::string(101, 'a'))), "413");
  EXPECT_EQ(status_of(ask(port_, request("POST /echo", "Content-Length: 99999999999\r\n"))), "413");
  EXPECT_EQ(status_of(ask(port_, request("POST /echo", "Transfer-Encoding: chunked\r\n") + "fff\r\n" +
                                     std::string(0xfff, 'a') + "\r\n0\r\n\r\n")),
            "413");
}

TEST_F(ListenerTest, WhatIsNoHttp) {
  for (const std::string bytes :
       {"\r\n\r\n\r\nnonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/1.1\r\nHost localhost\r\n\r\n", "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    EXPECT_EQ(status_of(ask(port_, bytes)), "400") << bytes;
  }
  EXPECT_EQ(status_of(get(port_, "/")), "200");
}

TEST_F(ListenerTest, GarbageDoesNotEndIt) {
  static const std::string kRequest = request("POST /echo?a=b", "Content-Length: 5\r\nX: y\r\n") + "abcde";
  const RandomStream random(7, 0);
  uint64_t index = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = kRequest;
    for (int n = 0; n < 3; ++n) {
      const uint64_t bits = random.bits(index++);
      bytes[bits % bytes.size()] = static_cast<char>(bits >> 32);
    }
    const TestClient client(port_);
    client.say(bytes.substr(0, random.bits(index++) % (2 * bytes.size())));
  }
  EXPECT_EQ(status_of(get_patiently(port_, "/")), "200");
}

TEST_F(ListenerTest, SlowClientsAreCutOff) {
  const TestClient idle(port_);
  const TestClient begun(port_);
  begun.say("GET / HT");
  // A byte now and then does not buy time.
  const TestClient trickling(port_);
  bool is_open = true;
  for (int i = 0; i < 40 && is_open; ++i) {
    is_open = trickling.say("G");
    std::this_thread::sleep_for(milliseconds(25));
  }
  EXPECT_FALSE(is_open);
  EXPECT_EQ(idle.hear_all(), "");
  EXPECT_EQ(begun.hear_all(), "");
}

TEST_F(ListenerTest, WhoDoesNotReadIsCutOff) {
  const TestClient client(port_);
  client.say(request("GET /large"));
  std::this_thread::sleep_for(milliseconds(800));
  EXPECT_LT(client.hear_all().size(), size_t{32} << 20);
}

TEST_F(ListenerTest, ConnectionsHaveALimit) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<TestClient>(port_));
    clients.back()->say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    clients.back()->hear_until("hello");
  }
  EXPECT_EQ(get(port_, "/").find("200"), std::string::npos);
  clients.clear();
  EXPECT_EQ(status_of(get_patiently(port_, "/")), "200");
}

TEST(Listener, StopsWithConnectionsInEveryState) {
  auto listener = std::make_unique<Listener>(ListenerParams{.stop_time = milliseconds(200)}, routes());
  const TestClient idle(listener->port());
  const TestClient begun(listener->port());
  begun.say("GET / HT");
  const TestClient unread(listener->port());
  unread.say("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  unread.hear_until("\r\n");
  const auto began = std::chrono::steady_clock::now();
  listener.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  EXPECT_EQ(idle.hear_all(), "");
}

TEST(Listener, NamesWhatItCannotListenAt) {
  const Listener first({}, {});
  EXPECT_THROW(Listener({.port = first.port()}, {}), Error);
  EXPECT_THROW(Listener({.host = "nowhere.invalid"}, {}), Error);
  EXPECT_THROW(Listener({.host = "192.0.2.1"}, {}), Error);
}

}  // namespace
}  // namespace fathom::server
