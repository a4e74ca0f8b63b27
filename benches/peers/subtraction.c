/* The game as an AGI program: Asterisk starts it for a call and talks to it over standard input and output. */
#include "game.h"
#include <time.h>

_Noreturn static void leave(struct call *call, int status)
{
    (void)call;
    _exit(status);
}

int main(void)
{
    static struct call call = {.in = 0, .out = 1};
    call.seed = (unsigned)time(NULL) ^ (unsigned)getpid() << 16;
    while (*read_line(&call)) /* the environment ends with an empty line */
        ;
    game(&call);
    return 0;
}
