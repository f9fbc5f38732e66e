/*
 * The application of the demo's pod: prints what Onload gives to a container - the environment, the device files, and
 * whether the preloaded library is really mapped - and exits with 0 only when all of it is there. With the argument
 * --stay it then waits until it is ended, and with --listen it does so with a socket of TCP and one of UDP.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int show_device(const char* path) {
  struct stat info;
  if (stat(path, &info) != 0) {
    printf("%s: missing\n", path);
    return 1;
  }
  int file = open(path, O_RDWR);
  printf("%s: %s device %u:%u, mode %o, %s\n", path, S_ISCHR(info.st_mode) ? "character" : "no character",
         major(info.st_rdev), minor(info.st_rdev), info.st_mode & 07777, file >= 0 ? "opens" : "does not open");
  return !S_ISCHR(info.st_mode) || file < 0;
}

static int show_library(void) {
  char line[4096];
  FILE* maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    char* path = strchr(line, '/');
    if (path != NULL && strstr(path, "libonload") != NULL) {
      printf("mapped library: %s", path);
      return 0;
    }
  }
  printf("mapped library: none\n");
  return 1;
}

static int open_sockets(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7777)};
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  return bind(tcp, (struct sockaddr*)&address, sizeof address) != 0 || listen(tcp, 1) != 0 ||
         bind(udp, (struct sockaddr*)&address, sizeof address) != 0;
}

int main(int argc, char** argv) {
  const char* preload = getenv("LD_PRELOAD");
  int missing = preload == NULL;
  printf("user: %d\n", (int)getuid());
  printf("LD_PRELOAD=%s\n", preload == NULL ? "" : preload);
  missing += show_device("/dev/onload");
  missing += show_device("/dev/onload_epoll");
  missing += show_device("/dev/sfc_char");
  missing += show_library();
  fflush(stdout);
  int listens = argc > 1 && strcmp(argv[1], "--listen") == 0;
  if (listens && open_sockets() != 0) return 2;
  if (listens || (argc > 1 && strcmp(argv[1], "--stay") == 0)) {
    signal(SIGTERM, _exit);
    for (;;) pause();
  }
  return missing != 0;
}
