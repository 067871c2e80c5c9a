/*
 * Sets the RTC's date, in the ways in which programs do it.
 *
 * Keys: s sets it `ahead` seconds ahead, with register B's SET held meanwhile;
 * f does so field by field, without SET; e sets and clears SET without writing
 * anything; r reports; q ends.
 * Parameters (decimal): ahead=S (7200)
 *
 *   RTC start rtc=DATE
 *   RTC set how=set|fields|empty from=DATE to=DATE
 *   RTC now rtc=DATE
 *   RTC end
 */
#include "rtc.h"

static void write_fields(struct date to)
{
    rtc_write(0x00, rtc_code(to.second));
    rtc_write(0x02, rtc_code(to.minute));
    rtc_write(0x04, rtc_code(to.hour));
    rtc_write(0x07, rtc_code(to.day));
    rtc_write(0x08, rtc_code(to.month));
    rtc_write(0x09, rtc_code(to.year % 100));
    rtc_write(RTC_CENTURY, rtc_code(to.year / 100));
}

static void show(const char *what, struct date date)
{
    put(what);
    put_date(date);
}

static void hold(bool on)
{
    u8 b = rtc_read(RTC_B);
    rtc_write(RTC_B, on ? b | B_SET : b & ~B_SET);
}

static void set(u8 how, u64 ahead)
{
    struct date from = rtc_date();
    struct date to = date_of(seconds_of(from) + ahead);
    if (how != 'f')
        hold(true);
    if (how != 'e')
        write_fields(to);
    if (how != 'f')
        hold(false);
    put("RTC set how=");
    put(how == 's' ? "set" : how == 'f' ? "fields" : "empty");
    show(" from=", from);
    show(" to=", how == 'e' ? from : to);
    put("\n");
}

void guest_main(void)
{
    u64 ahead = parameter("ahead=", 7200);
    show("RTC start rtc=", rtc_date());
    put("\n");
    for (;;) {
        while (!key_typed)
            irq_wait();
        u8 typed = key();
        if (typed == 's' || typed == 'f' || typed == 'e')
            set(typed, ahead);
        if (typed == 'r' || typed == 'q') {
            show("RTC now rtc=", rtc_date());
            put("\n");
        }
        if (typed == 'q') {
            put("RTC end\n");
            return;
        }
    }
}
