/* Ten rounds of the subtraction game as an AGI program in C: read(2) and write(2), nothing between. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char input[4096]; /* what was read and not yet used: input[from..to] */
static size_t from, to;
static char line[4096];
static char result[64];

/* The next line without its newline; the part beyond the buffer is dropped. Ends the program at end of file. */
static char *read_line(void)
{
    size_t n = 0;
    for (;;) {
        if (from == to) {
            ssize_t got = read(0, input, sizeof input);
            if (got <= 0)
                _exit(3);
            from = 0;
            to = (size_t)got;
        }
        char c = input[from++];
        if (c == '\n')
            break;
        if (n < sizeof line - 1)
            line[n++] = c;
    }
    line[n] = 0;
    return line;
}

/* Send one command line whole, read its reply, and return what stands after "result=". */
static const char *command(const char *text)
{
    size_t length = strlen(text), sent = 0;
    while (sent < length) {
        ssize_t n = write(1, text + sent, length - sent);
        if (n < 0)
            _exit(3);
        sent += (size_t)n;
    }
    char *reply;
    do
        reply = read_line();
    while (strcmp(reply, "HANGUP") == 0);
    if (strncmp(reply, "200 result=", 11) != 0)
        _exit(1);
    size_t n = strcspn(reply + 11, " ");
    if (n >= sizeof result)
        _exit(1);
    memcpy(result, reply + 11, n);
    result[n] = 0;
    if (strcmp(result, "-1") == 0) /* hung up */
        _exit(0);
    return result;
}

static void say_number(int number)
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
    command(text);
}

/* The number in the digits, -1 if there is none or something else than digits. */
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

int main(void)
{
    while (*read_line()) /* the environment ends with an empty line */
        ;
    srandom((unsigned)time(NULL) ^ (unsigned)getpid() << 16);

    int score = 0;
    command("ANSWER\n");
    command("STREAM FILE \"subtraction-game-welcome\" \"\"\n");
    for (int round = 0; round < 10; round++) {
        int big = (int)(random() % 22) + 10;
        int small = (int)(random() % (big + 1));
        say_number(big);
        command("STREAM FILE \"subtraction-game-minus\" \"\"\n");
        say_number(small);
        if (to_number(command("GET DATA \"subtraction-game-equals\" 5000 2\n")) == big - small) {
            score++;
            command("STREAM FILE \"subtraction-game-good\" \"\"\n");
        } else {
            command("STREAM FILE \"subtraction-game-wrong\" \"\"\n");
            say_number(big - small);
        }
    }
    say_number(score);
    return 0;
}
