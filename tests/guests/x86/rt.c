/* See rt.h. */
#include "rt.h"

/* ---- console ---- */

#define COM1 0x3F8
#define COM1_IER (COM1 + 1)
#define COM1_FCR (COM1 + 2)
#define COM1_LCR (COM1 + 3)
#define COM1_MCR (COM1 + 4)
#define COM1_LSR (COM1 + 5)
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20

static void put_char(char c)
{
    while (!(in8(COM1_LSR) & LSR_EMPTY))
        pause();
    out8(COM1, c);
}

void put(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text);
    }
}

void put_dec(u64 number)
{
    char digits[21];
    char *at = digits + 20;
    *at = 0;
    do {
        *--at = '0' + number % 10;
        number /= 10;
    } while (number);
    put(at);
}

void put_signed(s64 number)
{
    if (number < 0)
        put("-");
    put_dec(number < 0 ? -(u64)number : (u64)number);
}

void put_two(u32 number)
{
    if (number < 10)
        put("0");
    put_dec(number);
}

void put_hex(u64 number)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[number >> shift & 15]);
}

static volatile u8 keys[64];
static volatile u32 keys_in, keys_out;
volatile bool key_typed;

static void keys_interrupt(void)
{
    while (in8(COM1_LSR) & LSR_DATA) {
        keys[keys_in % 64] = in8(COM1);
        keys_in++;
    }
    key_typed = true;
}

u8 key(void)
{
    u8 next = 0;
    key_typed = false;
    if (keys_out != keys_in)
        next = keys[keys_out++ % 64];
    if (keys_out != keys_in)
        key_typed = true;
    return next;
}

static void console_start(void)
{
    out8(COM1_IER, 0);
    out8(COM1_LCR, 0x80);
    out8(COM1, 1);
    out8(COM1_IER, 0);
    out8(COM1_LCR, 3);
    out8(COM1_FCR, 0);
    out8(COM1_MCR, 0x0B);
    irq_handle(IRQ_COM1, keys_interrupt);
    out8(COM1_IER, 1);
}

/* ---- parameters ---- */

static const char *command_line = "";

/* What follows `name` in a word that begins with it. */
static const char *find(const char *name)
{
    const char *at = command_line;
    while (*at) {
        const char *wanted = name, *here = at;
        while (*wanted && *wanted == *here)
            wanted++, here++;
        if (!*wanted)
            return here;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return 0;
}

u64 parameter(const char *name, u64 otherwise)
{
    const char *at = find(name);
    u64 number = 0;
    if (!at || *at < '0' || *at > '9')
        return otherwise;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    return number;
}

bool word(const char *name)
{
    const char *end = find(name);
    return end && (!*end || *end == ' ');
}

/* ---- interrupts ---- */

#define VECTOR_0 0x20
#define SPURIOUS 0x3F
#define USER_END 3              /* int3, by which user mode ends */
#define TASKS 0x30              /* the first task segment's selector */

#define APIC(offset) (*(volatile u32 *)(0xFEE00000ul + (offset)))
#define APIC_ID APIC(0x20)
#define APIC_EOI APIC(0xB0)
#define APIC_SPURIOUS APIC(0xF0)
#define APIC_COMMAND APIC(0x300)

static volatile u32 *const io_apic = (volatile u32 *)0xFEC00000ul;

struct gate {
    u16 low, selector, type, middle;
    u32 high, zero;
} __attribute__((packed));

/* All that is used of a task segment: the stack for interrupts in user mode. */
struct task {
    u32 reserved;
    u64 stack0;
    u8 rest[92];
} __attribute__((packed));

static struct gate gates[64];
static struct task tasks[MAX_CPUS];
extern u64 gdt_tasks[MAX_CPUS][2];
extern u8 user_stacks[MAX_CPUS][4096];
extern const u8 user_end[];
void in_user_on(void (*function)(u64), u64 argument, u64 stack, struct task *task);
static void (*handlers[16])(void);
extern const u8 entries[];
extern const u8 trampoline[], trampoline_end[];
extern volatile u32 cpus_counted;

static void interrupts_load(u32 cpu)
{
    u64 task = (u64)&tasks[cpu];
    gdt_tasks[cpu][0] = (sizeof(struct task) - 1) | (task & 0xFFFFFF) << 16 | 0x89ull << 40 |
        (task >> 24 & 0xFF) << 56;
    gdt_tasks[cpu][1] = task >> 32;
    asm volatile("ltr %w0" : : "r"(TASKS + 16 * cpu));
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { sizeof gates - 1, (u64)gates };
    asm volatile("lidt %0" : : "m"(pointer));
    APIC_SPURIOUS = 0x100 | SPURIOUS;
}

static void gate(u32 vector, const u8 *to, u32 privilege)
{
    u64 entry = (u64)to;
    u16 type = 0x8E00 | privilege << 13;
    gates[vector] = (struct gate){ entry, 0x10, type, entry >> 16, entry >> 32, 0 };
}

static void interrupts_start(void)
{
    for (u32 vector = 0; vector < 64; vector++)
        gate(vector, entries + 16 * vector, 0);
    gate(USER_END, user_end, 3);
    interrupts_load(0);
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
}

void irq_handle(u32 line, void (*handler)(void))
{
    handlers[line] = handler;
    io_apic[0] = 0x10 + 2 * line + 1;
    io_apic[4] = APIC_ID & 0xFF000000;
    io_apic[0] = 0x10 + 2 * line;
    io_apic[4] = VECTOR_0 + line;
}

static void (*timer_handler)(void);

void timer_handle(void (*handler)(void))
{
    timer_handler = handler;
}

void apic_write(u32 offset, u32 value)
{
    APIC(offset) = value;
}

void interrupt(u64 vector, u64 error, u64 address)
{
    if (vector == SPURIOUS)
        return;
    if (vector >= VECTOR_0 && vector < VECTOR_0 + 16 && handlers[vector - VECTOR_0]) {
        handlers[vector - VECTOR_0]();
        APIC_EOI = 0;
        return;
    }
    if (vector == VECTOR_TIMER && timer_handler) {
        timer_handler();
        APIC_EOI = 0;
        return;
    }
    put("UNEXPECTED vector=");
    put_dec(vector);
    put(" error=");
    put_hex(error);
    put(" at=");
    put_hex(address);
    put("\n");
    power_off();
}

void in_user(u32 cpu, void (*function)(u64), u64 argument)
{
    in_user_on(function, argument, (u64)user_stacks[cpu] + 4096, &tasks[cpu]);
}

/* ---- CPUs ---- */

/* Roughly so many microseconds: an access to port 0x80 takes about one. */
static void delay(u32 count)
{
    while (count--)
        out8(0x80, 0);
}

void start_others(u32 wanted)
{
    u8 *low = (u8 *)0x8000;
    if (wanted < 2)
        return;
    for (u32 i = 0; i < trampoline_end - trampoline; i++)
        low[i] = trampoline[i];
    APIC_COMMAND = 0x000C4500;          /* INIT to all but this one */
    delay(10000);
    for (u32 n = 0; n < 2; n++) {
        APIC_COMMAND = 0x000C4608;      /* start-up, 0x8000 */
        delay(1000);
    }
    while (__atomic_load_n(&cpus_counted, __ATOMIC_ACQUIRE) < wanted)
        pause();
}

_Noreturn void power_off(void)
{
    irq_off();
    out16(0x604, 0x2000);               /* PM1a control: SLP_EN, S5 */
    for (;;)
        asm volatile("cli; hlt");
}

__attribute__((weak)) void guest_other(u32 cpu)
{
    (void)cpu;
}

void start_other(u32 cpu)
{
    interrupts_load(cpu);
    guest_other(cpu);
}

void start(u32 info_at)
{
    const u32 *info = (const u32 *)(u64)info_at;
    if (info_at && info[0] & 4)
        command_line = (const char *)(u64)info[4];
    interrupts_start();
    console_start();
    guest_main();
    power_off();
}


void *memcpy(void *to, const void *from, unsigned long size)
{
    u8 *t = to;
    const u8 *f = from;
    while (size--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int value, unsigned long size)
{
    u8 *t = to;
    while (size--)
        *t++ = value;
    return to;
}
