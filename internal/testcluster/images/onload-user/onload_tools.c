/*
 * Stand-in for three of Onload's tools, by the name that it is called by. It refuses to have Onload's library preloaded, as
 * the real onload_stackdump does. onload_stackdump prints a list of stacks, or what it was asked for. orm_json prints two
 * stacks with a few of their counters, in the real one's form: in 12 all is well, in 3 not. It hangs while there is a file /orm_json-hangs.
 * onload_tcpdump.bin writes the header of a pcap file, stays until it is interrupted, and writes a packet then.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
  (void)signal;
  interrupted = 1;
}

static int is_preloaded(const char* tool) {
  const char* preload = getenv("LD_PRELOAD");
  if (preload == NULL || *preload == 0) return 0;
  fprintf(stderr, "%s should not itself be run under onload acceleration.\n", tool);
  return 1;
}

static int stackdump(int argc, char** argv) {
  if (is_preloaded("onload_stackdump")) return 255;
  if (argc == 2 && strcmp(argv[1], "stacks") == 0) {
    printf("#stack-id stack-name      pids\n3         trader          77\n12        feed            78\n");
    return 0;
  }
  for (int i = 1; i < argc; ++i) printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
  return argc < 3;
}

static int orm_json(int argc, char** argv) {
  if (is_preloaded("orm_json")) return 255;
  while (access("/orm_json-hangs", F_OK) == 0) sleep(1);
  if (argc != 4 || strcmp(argv[1], "--dblbuf") != 0) return 1;
  printf("{\"onload_version\":\"stand-in\",\"json\":[");
  printf("{\"3\":{\"stats\":{\"k_polls\":7,\"retransmits\":5,\"udp_bind_no_filter\":4},");
  printf("\"more_stats\":{\"udp_tot_recv_drops_ul\":2}}},");
  printf("{\"12\":{\"stats\":{\"k_polls\":1,\"retransmits\":0,\"udp_bind_no_filter\":0},");
  printf("\"more_stats\":{\"udp_tot_recv_drops_ul\":0}}}]}");
  return 0;
}

static int capture(void) {
  static const unsigned char header[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
                                           0,    0,    0,    0,    0, 0, 4, 0, 1, 0, 0, 0};
  static const unsigned char packet[18] = {0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0xca, 0xfe};
  struct sigaction action = {.sa_handler = on_interrupt};
  sigset_t none, interrupts;
  sigemptyset(&none);
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigprocmask(SIG_BLOCK, &interrupts, NULL);
  sigaction(SIGINT, &action, NULL);
  if (write(1, header, sizeof header) < 0) return 1;
  while (!interrupted) sigsuspend(&none);
  return write(1, packet, sizeof packet) < 0;
}

int main(int argc, char** argv) {
  const char* slash = strrchr(argv[0], '/');
  const char* name = slash == NULL ? argv[0] : slash + 1;
  if (strcmp(name, "onload_stackdump") == 0) return stackdump(argc, argv);
  return strcmp(name, "orm_json") == 0 ? orm_json(argc, argv) : capture();
}
