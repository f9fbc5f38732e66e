/* Stand-in for the control plane server: stays until it is told to go. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
  (void)argv;
  printf("onload_cp_server: started with %d arguments\n", argc - 1);
  fflush(stdout);
  pause();
  return 0;
}
