/* Stand-in for Onload's control plane server: it stays, as the real one does, until it is ended. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
  fflush(stdout);
  for (;;) pause();
}
