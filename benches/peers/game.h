/* Ten rounds of the subtraction game over AGI in C, directly by read(2) and write(2). The including program defines how a
   call ends early. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct call {
    int in, out;
    unsigned seed;
    size_t from, to; /* unread part of the input: input[from..to] */
    char line[512];
    char result[64];
    char input[1024];
};

/* Leaves the call in the middle. 0: hangup, 1: unknown reply, 3: broken connection. */
_Noreturn static void leave(struct call *call, int status);

/* Returns the next line without its newline; what exceeds the buffer is dropped. Leaves at end of file. */
static char *read_line(struct call *call)
{
    size_t n = 0;
    for (;;) {
        if (call->from == call->to) {
            ssize_t got = read(call->in, call->input, sizeof call->input);
            if (got <= 0)
                leave(call, 3);
            call->from = 0;
            call->to = (size_t)got;
        }
        char c = call->input[call->from++];
        if (c == '\n')
            break;
        if (n < sizeof call->line - 1)
            call->line[n++] = c;
    }
    call->line[n] = 0;
    return call->line;
}

/* Sends one complete command line, reads its reply, and returns the text after "result=". */
static const char *command(struct call *call, const char *text)
{
    size_t length = strlen(text), sent = 0;
    while (sent < length) {
        ssize_t n = write(call->out, text + sent, length - sent);
        if (n < 0)
            leave(call, 3);
        sent += (size_t)n;
    }
    char *reply;
    do
        reply = read_line(call);
    while (strcmp(reply, "HANGUP") == 0);
    if (strncmp(reply, "200 result=", 11) != 0)
        leave(call, 1);
    size_t n = strcspn(reply + 11, " ");
    if (n >= sizeof call->result)
        leave(call, 1);
    memcpy(call->result, reply + 11, n);
    call->result[n] = 0;
    if (strcmp(call->result, "-1") == 0) /* hung up */
        leave(call, 0);
    return call->result;
}

static void say_number(struct call *call, int number)
{
    char text[64], digits[16];
    int n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    char *p = stpcpy(text, "SAY NUMBER ");
    while (n > 0)
        *p++ = digits[--n];
    strcpy(p, " \"\"\n");
    command(call, text);
}

/* Returns the number in the digits; -1 for no digits or anything else. */
static int to_number(const char *digits)
{
    int number = 0;
    if (*digits == 0 || strlen(digits) > 9)
        return -1;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return -1;
        number = number * 10 + (*digits - '0');
    }
    return number;
}

static void game(struct call *call)
{
    int score = 0;
    command(call, "ANSWER\n");
    command(call, "STREAM FILE \"subtraction-game-welcome\" \"\"\n");
    for (int round = 0; round < 10; round++) {
        int big = rand_r(&call->seed) % 22 + 10;
        int small = rand_r(&call->seed) % (big + 1);
        say_number(call, big);
        command(call, "STREAM FILE \"subtraction-game-minus\" \"\"\n");
        say_number(call, small);
        if (to_number(command(call, "GET DATA \"subtraction-game-equals\" 5000 2\n")) == big - small) {
            score++;
            command(call, "STREAM FILE \"subtraction-game-good\" \"\"\n");
        } else {
            command(call, "STREAM FILE \"subtraction-game-wrong\" \"\"\n");
            say_number(call, big - small);
        }
    }
    say_number(call, score);
}
