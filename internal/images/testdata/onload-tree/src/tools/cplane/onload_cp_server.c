/*
 * Stand-in for Onload's control plane server: it stays, as the real one does, until it is ended. As the real one it says
 * its version if asked, and ends.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv)
{
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    fprintf(stderr, "onload_cp_server[%d]: Version: stand-in\n", (int)getpid());
    return 0;
  }
  for (int i = 0; i < argc; ++i)
    printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
  fflush(stdout);
  for (;;)
    pause();
}
