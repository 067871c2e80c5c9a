/*
 * What all guests share: entry, serial console, parameters, interrupts, the
 * other CPUs. A guest is its `guest_main`.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define MAX_CPUS 8

static inline void out8(u16 port, u8 value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(u16 port, u16 value)
{
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline u8 in8(u16 port)
{
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* The TSC, not before anything that stands before it in the program. */
static inline u64 tsc(void)
{
    u32 low, high;
    asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

static inline void cpuid(u32 leaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
    asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

static inline void pause(void)
{
    asm volatile("pause" : : : "memory");
}

static inline void irq_on(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void irq_off(void)
{
    asm volatile("cli" : : : "memory");
}

/* Waits for an interrupt that comes after interrupts are let in. */
static inline void irq_wait(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

typedef struct {
    volatile u32 taken;
} lock_t;

static inline void take(lock_t *lock)
{
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
        pause();
}

static inline void give(lock_t *lock)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

/* The console: COM1. CPU 0's only. */
void put(const char *text);
void put_dec(u64 number);
void put_signed(s64 number);
void put_two(u32 number);
void put_hex(u64 number);

/* The next key typed, or 0; keys come by interrupt. */
u8 key(void);
extern volatile bool key_typed;

/* The number behind `name` on the command line, as in `cpus=2`. */
u64 parameter(const char *name, u64 otherwise);
/* Whether a word is on the command line. */
bool word(const char *name);

/* Lets an ISA interrupt through to CPU 0, which then calls `handler`. */
void irq_handle(u32 line, void (*handler)(void));
/* Lets this CPU's APIC timer call `handler`; its vector is VECTOR_TIMER. */
void timer_handle(void (*handler)(void));
#define VECTOR_TIMER 0x30
void apic_write(u32 offset, u32 value);
#define IRQ_COM1 4
#define IRQ_RTC 8

/*
 * Calls a function in user mode, with interrupts as they are, and returns when it
 * does. There are hosts whose KVM interprets a kernel that is not made for them, a
 * thousand times slower than the hardware, but lets programs run; tight loops are
 * programs therefore. The function may not touch what only a kernel may.
 */
void in_user(u32 cpu, void (*function)(u64), u64 argument);

/*
 * Starts all other CPUs and waits until there are `wanted` with this one. They
 * run `guest_other` with their numbers from 1.
 */
void start_others(u32 wanted);

/* Powers the machine off. */
_Noreturn void power_off(void);

/* gcc may ask for these itself. */
void *memcpy(void *to, const void *from, unsigned long size);
void *memset(void *to, int value, unsigned long size);

void guest_main(void);

/* What the other CPUs do; a guest that starts none has none. */
void guest_other(u32 cpu);
