/*
 * Arms the interval timers that a kernel of the host keeps, and tells when they come by
 * kvmclock (without it by the TSC): the local APIC's timer and the PIT.
 *
 * Parameters (decimal):
 *   in=MS     how far away a timer is that a key arms (1000)
 *   hz=N      the rate of periodic ones (50)
 *   periodic  the APIC's timer is periodic from the start; no key arms it then
 *   pit       the PIT is periodic from the start
 * Keys: a arms the APIC's timer once, by its count; d by the TSC (deadline); r reports; q ends.
 *
 *   TIMERS start khz=N deadline=yes|no
 *   TIMERS armed how=count|deadline
 *   TIMERS fired how=count|deadline after=US        since it was armed
 *   TIMERS now us=N apic=N pit=N                    since the start: time and interrupts
 *   TIMERS end
 */
#include "kvmclock.h"

#define APIC_LVT_TIMER 0x320
#define APIC_COUNT 0x380
#define APIC_DIVIDE 0x3E0
#define LVT_PERIODIC (1u << 17)
#define LVT_DEADLINE (1u << 18)
#define MSR_TSC_DEADLINE 0x6E0
#define APIC_HZ 1000000000ull   /* KVM's, and QEMU's */
#define APIC_DIVISOR 16
#define PIT_HZ 1193182u
/* Its input at the I/O APIC: 2 on a PC, 0 where KVM's own routing is left as it is. */
#define IRQ_PIT 0
#define IRQ_PIT_ON_A_PC 2

static bool kvmclock;
static u64 khz;
static u64 armed_at;
static const char *how;
static volatile u64 fired_at;
static volatile u32 apic_count, pit_count;

static u64 now_us(void)
{
    u64 cycles = tsc();
    if (kvmclock)
        return kvmclock_read(0).ns / 1000;
    return cycles / khz * 1000 + cycles % khz * 1000 / khz;
}

static void apic_interrupt(void)
{
    apic_count++;
    fired_at = now_us();
}

static void pit_interrupt(void)
{
    pit_count++;
}

static void arm(bool deadline, u64 in_ms)
{
    how = deadline ? "deadline" : "count";
    put("TIMERS armed how=");
    put(how);
    put("\n");
    fired_at = 0;
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (deadline ? LVT_DEADLINE : 0));
    armed_at = now_us();
    if (deadline)
        wrmsr(MSR_TSC_DEADLINE, tsc() + in_ms * khz);
    else
        apic_write(APIC_COUNT, in_ms * (APIC_HZ / 1000 / APIC_DIVISOR));
}

static void start_pit(u32 hz)
{
    u32 divisor = PIT_HZ / hz;
    irq_handle(IRQ_PIT, pit_interrupt);
    irq_handle(IRQ_PIT_ON_A_PC, pit_interrupt);
    out8(0x43, 0x34);           /* channel 0, rate generator */
    out8(0x40, divisor);
    out8(0x40, divisor >> 8);
}

void guest_main(void)
{
    u32 a, b, c, d;
    u64 in_ms = parameter("in=", 1000);
    u32 hz = parameter("hz=", 50);
    bool periodic = word("periodic");
    cpuid(1, &a, &b, &c, &d);
    bool deadline = c & 1u << 24;
    khz = 1000000;
    kvmclock = kvmclock_there();
    if (kvmclock) {
        kvmclock_start(0);
        khz = kvmclock_tsc_khz();
    }
    put("TIMERS start khz=");
    put_dec(khz);
    put(deadline ? " deadline=yes\n" : " deadline=no\n");
    timer_handle(apic_interrupt);
    apic_write(APIC_DIVIDE, 3); /* by 16 */
    u64 start = now_us();
    if (word("pit"))
        start_pit(hz);
    if (periodic) {
        apic_write(APIC_LVT_TIMER, VECTOR_TIMER | LVT_PERIODIC);
        apic_write(APIC_COUNT, APIC_HZ / APIC_DIVISOR / hz);
    }
    for (;;) {
        while (!key_typed && (periodic || !fired_at))
            irq_wait();
        if (!periodic && fired_at) {
            put("TIMERS fired how=");
            put(how);
            put(" after=");
            put_dec(fired_at - armed_at);
            put("\n");
            fired_at = 0;
        }
        u8 typed = key();
        if (!periodic && (typed == 'a' || (typed == 'd' && deadline)))
            arm(typed == 'd', in_ms);
        if (typed == 'r' || typed == 'q') {
            put("TIMERS now us=");
            put_dec(now_us() - start);
            put(" apic=");
            put_dec(apic_count);
            put(" pit=");
            put_dec(pit_count);
            put("\n");
        }
        if (typed == 'q') {
            put("TIMERS end\n");
            return;
        }
    }
}
