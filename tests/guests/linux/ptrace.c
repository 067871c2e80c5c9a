// The first process of a Linux guest: single-steps a child, and watches one of its variables,
// both of which the kernel does by program-event recording. Prints one line and turns the
// machine off:
//     PTRACE steps=<instructions of the loop> hits=<stores into the watched variable>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <asm/ptrace.h>

// CR9: storage alteration.
#define STORES 0x20000000UL
// Where a debugger puts the ends of the area, in the kernel's structure for it.
#define AREA_START 32
#define AREA_END 40

static volatile unsigned long watched[4];

// 4003 instructions from the first to the last label, 1000 of them below an execute.
extern char loop_begin[], loop_end[];

static void fail(const char *what)
{
    printf("PTRACE %s: %s\n", what, strerror(errno));
}

static void steps_child(void)
{
    asm volatile(".globl loop_begin, loop_end\n"
                 "loop_begin: lghi %%r1, 0\n"
                 "    lghi %%r2, 1000\n"
                 "0:  aghi %%r1, 1\n"
                 "    larl %%r3, 0f\n"
                 "    exrl %%r0, 1f\n"
                 "    brctg %%r2, 0b\n"
                 "    j 2f\n"
                 "1:  mvc 0(8, %%r3), 0(%%r3)\n"
                 "    .pushsection .data\n"
                 "    .balign 8\n"
                 "0:  .quad 0\n"
                 "    .popsection\n"
                 "2:\n"
                 "loop_end: nopr\n" ::: "r1", "r2", "r3", "cc", "memory");
    getppid();
}

static void watch_child(void)
{
    for (int i = 0; i < 10; i++)
        watched[i & 3] = i;
    getppid();
}

// A child that stops itself before it begins.
static pid_t start(void (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        body();
        _exit(7);
    }
    waitpid(child, &status, 0);
    return child;
}

// Lets the child go on as often as it traps; calls `trapped` each time.
static void follow(pid_t child, int request, void (*trapped)(pid_t, long *), long *count)
{
    int status;
    for (;;) {
        if (ptrace(request, child, 0, 0) < 0)
            fail("going on");
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
            return;
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
            printf("PTRACE child has status %#x\n", status);
            kill(child, SIGKILL);
            return;
        }
        trapped(child, count);
    }
}

static void stepped(pid_t child, long *count)
{
    unsigned long at = ptrace(PTRACE_PEEKUSER, child, (void *)offsetof(struct user_regs_struct, psw.addr), 0);
    if (at > (unsigned long)loop_begin && at <= (unsigned long)loop_end)
        ++*count;
}

static void hit(pid_t child, long *count)
{
    ++*count;
}

int main(void)
{
    long steps = 0, hits = 0;
    follow(start(steps_child), PTRACE_SINGLESTEP, stepped, &steps);

    pid_t child = start(watch_child);
    size_t info = offsetof(struct user_regs_struct, per_info);
    unsigned long at = (unsigned long)&watched[1];
    if (ptrace(PTRACE_POKEUSER, child, (void *)info, STORES) < 0 ||
        ptrace(PTRACE_POKEUSER, child, (void *)(info + AREA_START), at) < 0 ||
        ptrace(PTRACE_POKEUSER, child, (void *)(info + AREA_END), at + 7) < 0)
        fail("watching");
    follow(child, PTRACE_CONT, hit, &hits);

    printf("PTRACE steps=%ld hits=%ld\n", steps, hits);
    fflush(stdout);
    reboot(RB_POWER_OFF);
}
