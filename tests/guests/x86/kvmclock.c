/* See kvmclock.h. */
#include "kvmclock.h"

#define MSR_SYSTEM_TIME_NEW 0x4B564D01
#define FEATURE_CLOCKSOURCE2 (1u << 3)

static struct {
    struct pvclock page;
} __attribute__((aligned(64))) pages[MAX_CPUS];

bool kvmclock_there(void)
{
    u32 a, b, c, d;
    cpuid(0x40000000, &a, &b, &c, &d);
    /* "KVMKVMKVM" */
    if (b != 0x4B4D564B || c != 0x564B4D56 || d != 0x4D)
        return false;
    cpuid(0x40000001, &a, &b, &c, &d);
    return a & FEATURE_CLOCKSOURCE2;
}

static u32 first_mul;
static signed char first_shift;

void kvmclock_start(u32 cpu)
{
    wrmsr(MSR_SYSTEM_TIME_NEW, (u64)&pages[cpu].page | 1);
    if (cpu == 0) {
        first_mul = pages[0].page.mul;
        first_shift = pages[0].page.shift;
    }
}

static u64 scale(u64 cycles, u32 mul, signed char shift)
{
    cycles = shift < 0 ? cycles >> -shift : cycles << shift;
    return (unsigned __int128)cycles * mul >> 32;
}

struct kvmclock kvmclock_read(u32 cpu)
{
    struct pvclock *page = &pages[cpu].page;
    struct kvmclock now;
    u32 version;
    do {
        version = page->version & ~1u;
        asm volatile("" : : : "memory");
        now.tsc = tsc();
        now.ns = page->system_time + scale(now.tsc - page->tsc_timestamp, page->mul, page->shift);
        now.flags = page->flags;
        asm volatile("" : : : "memory");
    } while (page->version != version);
    return now;
}

u64 kvmclock_scale(u64 cycles)
{
    return scale(cycles, first_mul, first_shift);
}

void kvmclock_noticed(u32 cpu)
{
    __atomic_and_fetch(&pages[cpu].page.flags, (u8)~PVCLOCK_GUEST_STOPPED, __ATOMIC_SEQ_CST);
}

u64 kvmclock_tsc_khz(void)
{
    u64 khz = ((u64)1000000 << 32) / first_mul;
    return first_shift < 0 ? khz << -first_shift : khz >> first_shift;
}
