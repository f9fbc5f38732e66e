/*
 * A stand-in for sfnettest's sfnt-pingpong: without arguments it is a server that waits for a client at TCP port 2048,
 * serves it and ends; with "udp HOST" it is the client, which has datagrams sent to and fro, and prints half of the time
 * that they took. It knows no other test and no option, and its protocol is its own.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 2048, COUNT = 1000 };

static int check(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int compare(const void* a, const void* b) {
  int64_t difference = *(const int64_t*)a - *(const int64_t*)b;
  return (difference > 0) - (difference < 0);
}

static int serve(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)}, peer;
  int yes = 1, listening = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  check(bind(listening, (struct sockaddr*)&address, sizeof address), "bind");
  check(listen(listening, 1), "listen");
  fprintf(stderr, "sfnt-pingpong: server: waiting for client to connect...\n");
  int control = check(accept(listening, NULL, NULL), "accept");
  fprintf(stderr, "sfnt-pingpong: server: client connected\n");
  int udp = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
  check(bind(udp, (struct sockaddr*)&address, sizeof address), "bind");
  char message[2048] = "+";
  check(write(control, message, 1), "write");
  for (int i = 0; i < COUNT; i++) {
    socklen_t length = sizeof peer;
    int size = check(recvfrom(udp, message, sizeof message, 0, (struct sockaddr*)&peer, &length), "recvfrom");
    check(sendto(udp, message, size, 0, (struct sockaddr*)&peer, length), "sendto");
  }
  return 0;
}

static int measure(const char* host) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return fprintf(stderr, "ERROR: no address: %s\n", host), 2;
  int control = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  check(connect(control, (struct sockaddr*)&address, sizeof address), "connect");
  int udp = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
  struct timeval patience = {.tv_sec = 5};
  setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  check(connect(udp, (struct sockaddr*)&address, sizeof address), "connect");
  static int64_t times[COUNT];
  char message[64] = "";
  if (read(control, message, 1) != 1) return fprintf(stderr, "ERROR: the server is gone\n"), 1;
  int64_t sum = 0;
  for (int i = 0; i < COUNT; i++) {
    int64_t begun = now();
    check(send(udp, message, sizeof message, 0), "send");
    check(recv(udp, message, sizeof message, 0), "recv");
    sum += times[i] = (now() - begun) / 2;
  }
  qsort(times, COUNT, sizeof *times, compare);
  printf("#\tsize\tmean\tmin\tmedian\tmax\t%%ile\titer\n");
  printf("\t%zu\t%ld\t%ld\t%ld\t%ld\t%ld\t%d\n", sizeof message, (long)(sum / COUNT), (long)times[0],
         (long)times[COUNT / 2], (long)times[COUNT - 1], (long)times[COUNT * 99 / 100], COUNT);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 1) return serve();
  if (argc == 3 && strcmp(argv[1], "udp") == 0) return measure(argv[2]);
  fprintf(stderr, "usage: sfnt-pingpong [udp HOST]\n");
  return 2;
}
