/*
 * Arms the RTC's alarm and its periodic interrupt, and tells when they come, by
 * the RTC's own seconds.
 *
 * Parameters (decimal):
 *   ahead=S   first sets the RTC so many seconds ahead of what it shows (0)
 *   in=S      the alarm is so many seconds after the start (5; 0: none)
 *   rate=N    register A's rate of the periodic interrupt, 3 to 15 (0: none); 6 is 1024 Hz
 *   quiet     seconds are not told
 * Keys: a arms the alarm for `in` seconds from now, r reports, q ends.
 *
 *   ALARM start rtc=DATE alarm=DATE
 *   SECOND rtc=DATE ticks=N        a second has ended, with so many periodic interrupts
 *   ALARM fired n=N rtc=DATE wanted=DATE
 *   ALARM now rtc=DATE fired=N seconds=N ticks=N
 *   ALARM end
 */
#include "rtc.h"

static volatile u32 fired, seconds, all_ticks, ticks;
static volatile bool alarm_news, second_news;
static volatile u32 second_ticks;

static void rtc_interrupt(void)
{
    u8 flags = rtc_read(RTC_C);
    if (flags & B_PERIODIC) {
        ticks++;
        all_ticks++;
    }
    if (flags & B_UPDATE) {
        seconds++;
        second_ticks = ticks;
        ticks = 0;
        second_news = true;
    }
    if (flags & B_ALARM) {
        fired++;
        alarm_news = true;
    }
}

static struct date arm(u64 in)
{
    struct date at = date_of(seconds_of(rtc_date()) + in);
    rtc_write(0x05, rtc_code(at.hour));
    rtc_write(0x03, rtc_code(at.minute));
    rtc_write(0x01, rtc_code(at.second));
    return at;
}

static void set_ahead(u64 ahead)
{
    struct date to = date_of(seconds_of(rtc_date()) + ahead);
    rtc_write(RTC_B, rtc_read(RTC_B) | B_SET);
    rtc_write(0x00, rtc_code(to.second));
    rtc_write(0x02, rtc_code(to.minute));
    rtc_write(0x04, rtc_code(to.hour));
    rtc_write(0x07, rtc_code(to.day));
    rtc_write(0x08, rtc_code(to.month));
    rtc_write(0x09, rtc_code(to.year % 100));
    rtc_write(RTC_CENTURY, rtc_code(to.year / 100));
    rtc_write(RTC_B, rtc_read(RTC_B) & ~B_SET);
}

void guest_main(void)
{
    u64 ahead = parameter("ahead=", 0), in = parameter("in=", 5), rate = parameter("rate=", 0);
    bool quiet = word("quiet");
    struct date alarm = { 0 };
    u8 enabled = B_24H | B_UPDATE;
    rtc_write(RTC_B, (rtc_read(RTC_B) & B_BINARY) | B_24H);
    if (ahead)
        set_ahead(ahead);
    put("ALARM start rtc=");
    put_date(rtc_date());
    if (in) {
        alarm = arm(in);
        enabled |= B_ALARM;
        put(" alarm=");
        put_date(alarm);
    }
    if (rate) {
        rtc_write(RTC_A, 0x20 | (rate & 15));
        enabled |= B_PERIODIC;
    }
    irq_handle(IRQ_RTC, rtc_interrupt);
    rtc_read(RTC_C);
    rtc_write(RTC_B, (rtc_read(RTC_B) & B_BINARY) | enabled);
    /* Only now: whoever reads the line may stop the machine over the alarm's second. */
    put("\n");
    for (;;) {
        while (!key_typed && !alarm_news && !second_news)
            irq_wait();
        if (second_news) {
            u32 count = second_ticks;
            second_news = false;
            if (!quiet) {
                put("SECOND rtc=");
                put_date(rtc_date());
                put(" ticks=");
                put_dec(count);
                put("\n");
            }
        }
        if (alarm_news) {
            alarm_news = false;
            put("ALARM fired n=");
            put_dec(fired);
            put(" rtc=");
            put_date(rtc_date());
            put(" wanted=");
            put_date(alarm);
            put("\n");
        }
        u8 typed = key();
        if (typed == 'a') {
            alarm = arm(in);
            put("ALARM armed rtc=");
            put_date(rtc_date());
            put(" alarm=");
            put_date(alarm);
            put("\n");
        }
        if (typed == 'r' || typed == 'q') {
            put("ALARM now rtc=");
            put_date(rtc_date());
            put(" fired=");
            put_dec(fired);
            put(" seconds=");
            put_dec(seconds);
            put(" ticks=");
            put_dec(all_ticks);
            put("\n");
        }
        if (typed == 'q') {
            put("ALARM end\n");
            return;
        }
    }
}
