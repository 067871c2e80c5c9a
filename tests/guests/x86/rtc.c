/* See rtc.h. */
#include "rtc.h"

static lock_t lock;

u8 rtc_read(u8 reg)
{
    out8(0x70, reg);
    return in8(0x71);
}

void rtc_write(u8 reg, u8 value)
{
    out8(0x70, reg);
    out8(0x71, value);
}

static u32 number_of(u8 code, u8 mode)
{
    return mode & B_BINARY ? code : (code >> 4) * 10u + (code & 15);
}

u8 rtc_code(u32 number)
{
    return rtc_read(RTC_B) & B_BINARY ? number : number / 10 << 4 | number % 10;
}

static void read_all(u8 found[7])
{
    static const u8 regs[7] = { 0, 2, 4, 7, 8, 9, RTC_CENTURY };
    while (rtc_read(RTC_A) & A_UPDATING)
        pause();
    for (u32 i = 0; i < 7; i++)
        found[i] = rtc_read(regs[i]);
}

struct date rtc_date(void)
{
    u8 one[7], two[7];
    bool same;
    take(&lock);
    read_all(two);
    do {
        memcpy(one, two, 7);
        read_all(two);
        same = true;
        for (u32 i = 0; i < 7; i++)
            same &= one[i] == two[i];
    } while (!same);
    u8 mode = rtc_read(RTC_B);
    give(&lock);
    u32 hour = number_of(two[2] & 0x7F, mode);
    if (!(mode & B_24H))
        hour = hour % 12 + (two[2] & 0x80 ? 12 : 0);
    return (struct date){
        .year = number_of(two[6], mode) * 100 + number_of(two[5], mode),
        .month = number_of(two[4], mode),
        .day = number_of(two[3], mode),
        .hour = hour,
        .minute = number_of(two[1], mode),
        .second = number_of(two[0], mode),
    };
}

/* Days from 1970-01-01; years begin in March here, so that a leap day is a year's last. */
static s64 days_of(u32 year, u32 month, u32 day)
{
    s64 y = (s64)year - (month < 3);
    s64 months = month < 3 ? month + 9 : month - 3;
    return y * 365 + y / 4 - y / 100 + y / 400 + (months * 153 + 2) / 5 + day - 1 - 719468;
}

s64 seconds_of(struct date date)
{
    return days_of(date.year, date.month, date.day) * 86400 + date.hour * 3600 +
        date.minute * 60 + date.second;
}

struct date date_of(s64 seconds)
{
    struct date date = { .year = 1970, .month = 1 };
    s64 days = seconds / 86400;
    s64 rest = seconds % 86400;
    while (days_of(date.year + 1, 1, 1) <= days)
        date.year++;
    while (date.month < 12 && days_of(date.year, date.month + 1, 1) <= days)
        date.month++;
    date.day = days - days_of(date.year, date.month, 1) + 1;
    date.hour = rest / 3600;
    date.minute = rest / 60 % 60;
    date.second = rest % 60;
    return date;
}

void put_date(struct date date)
{
    put_dec(date.year);
    put("-");
    put_two(date.month);
    put("-");
    put_two(date.day);
    put("T");
    put_two(date.hour);
    put(":");
    put_two(date.minute);
    put(":");
    put_two(date.second);
}
