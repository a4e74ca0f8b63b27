/* The game as a FastAGI server on the loopback interface: a thread per call. Usage: fastagi PORT */
#define _GNU_SOURCE
#include "game.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

_Noreturn static void leave(struct call *call, int status)
{
    (void)status; /* the other calls go on */
    close(call->in);
    pthread_exit(NULL);
}

static void *serve(void *argument)
{
    struct call call;
    call.in = call.out = (int)(intptr_t)argument;
    call.from = call.to = 0;
    call.seed = (unsigned)(uintptr_t)&call ^ (unsigned)call.in << 16;
    int hold = 0;
    for (;;) {
        const char *line = read_line(&call);
        if (*line == 0) /* the environment ends with an empty line */
            break;
        if (strcmp(line, "agi_network_script: hold") == 0)
            hold = 1;
    }
    if (hold) {
        command(&call, "ANSWER\n");
        command(&call, "GET DATA \"subtraction-game-equals\" 600000 2\n");
    } else {
        game(&call);
    }
    close(call.in);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, SOMAXCONN) != 0) {
        perror("fastagi");
        return 3;
    }
    /* Small stacks, so that the library reuses those of ended calls. */
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int call = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (call < 0) {
            if (errno == EMFILE || errno == ENFILE)
                usleep(10000);
            continue;
        }
        if (pthread_create(&thread, &attributes, serve, (void *)(intptr_t)call) != 0)
            close(call);
    }
}
