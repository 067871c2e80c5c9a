/* KVM's paravirtual clock (linux/Documentation/virt/kvm/x86/msr.rst). */
#pragma once
#include "rt.h"

#define PVCLOCK_TSC_STABLE 1
#define PVCLOCK_GUEST_STOPPED 2

struct pvclock {
    volatile u32 version;
    u32 pad0;
    volatile u64 tsc_timestamp;
    volatile u64 system_time;
    volatile u32 mul;
    volatile signed char shift;
    volatile u8 flags;
    u8 pad[2];
};

/* Whether the host offers it with the MSRs 0x4b564d00 and 0x4b564d01. */
bool kvmclock_there(void);

/* Switches it on for the CPU that calls this. */
void kvmclock_start(u32 cpu);

/* One reading: the TSC, and the time in ns that the CPU's page makes of it. */
struct kvmclock {
    u64 tsc, ns;
    u8 flags;
};
struct kvmclock kvmclock_read(u32 cpu);

/* Nanoseconds of so many TSC cycles, by CPU 0's page as it was at its start. */
u64 kvmclock_scale(u64 cycles);

/* Takes note that the guest was stopped: clears the flag. */
void kvmclock_noticed(u32 cpu);

/* The TSC's frequency in kHz, by the same. */
u64 kvmclock_tsc_khz(void);
