/* The MC146818 real-time clock, on ports 0x70 and 0x71. */
#pragma once
#include "rt.h"

#define RTC_A 0x0A
#define RTC_B 0x0B
#define RTC_C 0x0C
#define RTC_CENTURY 0x32
#define A_UPDATING 0x80
#define B_SET 0x80
#define B_PERIODIC 0x40
#define B_ALARM 0x20
#define B_UPDATE 0x10
#define B_BINARY 0x04
#define B_24H 0x02

struct date {
    u32 year, month, day, hour, minute, second;
};

u8 rtc_read(u8 reg);
void rtc_write(u8 reg, u8 value);

/* What its registers hold, all from the same second. Any CPU may ask. */
struct date rtc_date(void);

/* The number for one of its registers, binary or BCD as its mode is. */
u8 rtc_code(u32 number);

/* Seconds since 1970-01-01, and back. */
s64 seconds_of(struct date date);
struct date date_of(s64 seconds);

/* As 2026-11-21T10:00:00. */
void put_date(struct date date);
