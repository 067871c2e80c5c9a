/*
 * Reads kvmclock and the TSC in a tight loop on every CPU and looks at the step
 * from each reading to the next, at steps back, and at what the other CPUs have
 * read. A report also reads the RTC, on each CPU.
 *
 * Parameters (decimal):
 *   cpus=N    how many CPUs there are (1)
 *   every=MS  report so often (0: on a key only)
 * Keys: r reports, x reports and forgets the extremes, q ends.
 *
 *   CLOCKS cpu=N n=N kvm=NS step=NS least=NS back=N behind=NS tsc=N tback=N tbehind=N
 *          fast=NS slow=NS told=N stable=N rtc=DATE                  (in one line)
 *
 * kvm, tsc    a reading: kvmclock's is made of that TSC
 * step, least the longest and shortest step of kvmclock since the last x
 * back, tback how often kvmclock, the TSC, showed less than before on the same CPU
 * behind, tbehind   by how much it was, at most, behind what another CPU had read
 * fast, slow  how far kvmclock was, at most, before and behind the time by the TSC, counted
 *             from the start of CPU 0
 * told        how often the host has told that the guest was stopped
 * stable      1 if the host says that all CPUs' clocks are one
 *
 * Without kvmclock everything about it is 0. The steps while a CPU reports, or CPU 0
 * reads a key, are not counted.
 */
#include "kvmclock.h"
#include "rtc.h"

struct seen {
    u64 count;
    struct kvmclock last;
    u64 step, least;
    u64 back, behind;
    u64 tsc_back, tsc_behind;
    s64 fast, slow;
    u64 told;
    struct date rtc;
};

static struct {
    struct seen now, reported;
    volatile u32 answered;
} __attribute__((aligned(64))) cpus[MAX_CPUS];

static bool kvmclock;
static u32 cpu_count;
static struct kvmclock first;           /* CPU 0's first reading */
static volatile u32 asked;              /* counts reports */
static volatile bool forget;            /* the report asked for is an x */
static u64 latest_ns __attribute__((aligned(64)));
static u64 latest_tsc __attribute__((aligned(64)));

static struct kvmclock read_clocks(u32 cpu)
{
    if (kvmclock)
        return kvmclock_read(cpu);
    return (struct kvmclock){ .tsc = tsc() };
}

/* Keeps the latest value that any CPU has read. */
static void publish(u64 *latest, u64 value)
{
    u64 old = __atomic_load_n(latest, __ATOMIC_RELAXED);
    while (old < value &&
           !__atomic_compare_exchange_n(latest, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        ;
}

static void forget_extremes(struct seen *seen)
{
    seen->step = 0;
    seen->least = -1ull;
    seen->fast = seen->slow = 0;
}

/* The next reading; its step counts unless something else was done since the last. */
static void sample(u32 cpu, bool step_counts)
{
    struct seen *seen = &cpus[cpu].now;
    u64 others_ns = __atomic_load_n(&latest_ns, __ATOMIC_SEQ_CST);
    u64 others_tsc = __atomic_load_n(&latest_tsc, __ATOMIC_SEQ_CST);
    struct kvmclock now = read_clocks(cpu);
    if (now.tsc < others_tsc && others_tsc - now.tsc > seen->tsc_behind)
        seen->tsc_behind = others_tsc - now.tsc;
    if (now.tsc < seen->last.tsc)
        seen->tsc_back++;
    publish(&latest_tsc, now.tsc);
    if (kvmclock) {
        if (now.ns < others_ns && others_ns - now.ns > seen->behind)
            seen->behind = others_ns - now.ns;
        publish(&latest_ns, now.ns);
        if (now.ns < seen->last.ns) {
            seen->back++;
        } else if (step_counts) {
            u64 step = now.ns - seen->last.ns;
            if (step > seen->step)
                seen->step = step;
            if (step < seen->least)
                seen->least = step;
        }
        s64 ahead = (now.ns - first.ns) - kvmclock_scale(now.tsc - first.tsc);
        if (ahead > seen->fast)
            seen->fast = ahead;
        if (ahead < seen->slow)
            seen->slow = ahead;
        if (now.flags & PVCLOCK_GUEST_STOPPED) {
            kvmclock_noticed(cpu);
            seen->told++;
        }
    }
    seen->last = now;
    seen->count++;
}

static void answer(u32 cpu)
{
    struct seen *seen = &cpus[cpu].now;
    seen->rtc = rtc_date();
    cpus[cpu].reported = *seen;
    if (forget)
        forget_extremes(seen);
    __atomic_store_n(&cpus[cpu].answered, asked, __ATOMIC_RELEASE);
}

static void field(const char *name, u64 value)
{
    put(name);
    put_dec(value);
}

static void report(bool and_forget)
{
    forget = and_forget;
    __atomic_store_n(&asked, asked + 1, __ATOMIC_RELEASE);
    answer(0);
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        while (__atomic_load_n(&cpus[cpu].answered, __ATOMIC_ACQUIRE) != asked)
            pause();
        const struct seen *seen = &cpus[cpu].reported;
        field("CLOCKS cpu=", cpu);
        field(" n=", seen->count);
        field(" kvm=", seen->last.ns);
        field(" step=", seen->step);
        field(" least=", seen->least == -1ull ? 0 : seen->least);
        field(" back=", seen->back);
        field(" behind=", seen->behind);
        field(" tsc=", seen->last.tsc);
        field(" tback=", seen->tsc_back);
        field(" tbehind=", seen->tsc_behind);
        field(" fast=", seen->fast);
        field(" slow=", -seen->slow);
        field(" told=", seen->told);
        field(" stable=", seen->last.flags & PVCLOCK_TSC_STABLE);
        put(" rtc=");
        put_date(seen->rtc);
        put("\n");
    }
}

/* In user mode: samples until a report is asked for. */
static void sample_others(u64 cpu)
{
    sample(cpu, false);
    while (cpus[cpu].answered == __atomic_load_n(&asked, __ATOMIC_ACQUIRE))
        sample(cpu, true);
}

/* In user mode: samples until a key is typed or a report is due. */
static void sample_first(u64 until_ns)
{
    sample(0, false);
    while (!key_typed && cpus[0].now.last.ns < until_ns)
        sample(0, true);
}

void guest_other(u32 cpu)
{
    if (kvmclock)
        kvmclock_start(cpu);
    forget_extremes(&cpus[cpu].now);
    for (;;) {
        in_user(cpu, sample_others, cpu);
        answer(cpu);
    }
}

void guest_main(void)
{
    cpu_count = parameter("cpus=", 1);
    if (cpu_count > MAX_CPUS)
        cpu_count = MAX_CPUS;
    u64 every_ns = parameter("every=", 0) * 1000000;
    kvmclock = kvmclock_there();
    if (kvmclock)
        kvmclock_start(0);
    first = read_clocks(0);
    start_others(cpu_count);
    field("CLOCKS start cpus=", cpu_count);
    put(kvmclock ? " kvmclock=yes" : " kvmclock=no");
    field(" khz=", kvmclock ? kvmclock_tsc_khz() : 0);
    put("\n");
    forget_extremes(&cpus[0].now);
    for (;;) {
        u64 until_ns = every_ns ? read_clocks(0).ns + every_ns : -1ull;
        irq_on();
        in_user(0, sample_first, until_ns);
        irq_off();
        u8 typed = key_typed ? key() : 'r';
        if (typed == 'r' || typed == 'x')
            report(typed == 'x');
        if (typed == 'q') {
            report(false);
            put("CLOCKS end\n");
            return;
        }
    }
}
