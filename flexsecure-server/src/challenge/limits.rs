//! The numbers of the limits, and what follows from them. Nothing here is a setting, but for what an account spends on
//! SMS.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use crate::{Channel, Method, UnixMillis};

/// PINs compared for one challenge, at most.
pub(crate) const MAX_ATTEMPTS: u8 = 5;

/// Failures in a row at which the user is told that somebody is guessing.
pub(super) const ALERT_AT: u32 = 5;

/// Failures in a row at which a method is disabled, until an administrator forgives them (NIST SP 800-63B, rate
/// limiting).
const DISABLED_AT: u32 = 100;

/// Failures without an hour's pause between two, after which there is one.
const BACK_OFF_AFTER: u32 = 10;
const QUIET: Duration = Duration::from_secs(60 * 60);
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60 * 60);

const FIRST_COOL_DOWN: Duration = Duration::from_secs(30);

const SENDS_IN_A_ROW: usize = 5;
const ROW: Duration = Duration::from_secs(10 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SMS_A_DAY: usize = 10;
const EMAILS_A_DAY: usize = 20;

/// Challenges that one network may have started within [`NETWORK_WINDOW`].
pub(crate) const STARTS_OF_A_NETWORK: u32 = 20;
pub(crate) const NETWORK_WINDOW: Duration = Duration::from_secs(60);

/// What of a number tells its country and carrier: numbers that are rented for pumping share it.
pub(crate) const SMS_PREFIX: usize = 7;

/// How long a challenge lives.
pub(crate) const fn life(method: Method) -> Duration {
    match method {
        Method::Pin => Duration::from_secs(300),
        Method::Passwordless => Duration::from_secs(600),
    }
}

/// When a challenge may send again: after 30 s, then 60, 120 and so on.
pub(super) fn resend_due(sent_at: UnixMillis, sends: u32) -> UnixMillis {
    sent_at.saturating_add(doubled(FIRST_COOL_DOWN, sends.saturating_sub(1)))
}

/// When the recipient may be sent another message; `None` is now. `sent` is newest first, and of the last day.
pub(super) fn recipient_due(
    sent: &[UnixMillis],
    channel: Channel,
    now: UnixMillis,
) -> Option<UnixMillis> {
    let a_day = match channel {
        Channel::Email => EMAILS_A_DAY,
        Channel::Sms => SMS_A_DAY,
    };
    [(SENDS_IN_A_ROW, ROW), (a_day, DAY)]
        .into_iter()
        .filter_map(|(most, window)| {
            let oldest = sent.get(most.checked_sub(1)?)?;
            Some(oldest.saturating_add(window)).filter(|due| *due > now)
        })
        .max()
}

/// As many of the newest messages of a recipient as [`recipient_due`] looks at.
pub(crate) const SENT_LOOKED_AT: u32 = 20;

/// What a number of an SMS counts under, beside its account.
pub(crate) fn sms_prefix(number: &str) -> &str {
    number.get(..SMS_PREFIX).unwrap_or(number)
}

/// Which day (UTC) it is, in days since the epoch, and when it ends.
pub(crate) fn day(now: UnixMillis) -> (i64, UnixMillis) {
    let length = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let day = now.as_millis().div_euclid(length);
    (day, UnixMillis::new(day.saturating_add(1).saturating_mul(length)))
}

/// What numbers that share a prefix may have of an account's daily budget: a tenth, and at least ten.
pub(super) fn prefix_budget(daily: u32) -> u32 {
    (daily / 10).max(10).min(daily)
}

/// An address as limits count it: whoever has an IPv6 address has its whole /64. `None` for one that is not of the
/// internet, such as 10.0.0.1: behind it is a proxy that nobody has named, or the network of a company, and so many users.
pub(crate) fn network(ip: IpAddr) -> Option<String> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (!is_inner(ip)).then(|| ip.to_string()),
        IpAddr::V6(ip) => {
            let is_inner = ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local();
            let [a, b, c, d, ..] = ip.segments();
            (!is_inner).then(|| format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

/// The last are those that a provider shares among its customers (RFC 6598).
fn is_inner(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_private()
        || ip.is_link_local()
        || (a == 100 && (64..128).contains(&b))
}

/// Wrong answers of a user by one method since the last right one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Failures {
    pub(crate) in_row: u32,
    /// Those without an hour's pause between two.
    pub(crate) streak: u32,
    pub(crate) last_at: UnixMillis,
}

impl Failures {
    pub(super) fn with_another(self, now: UnixMillis) -> Self {
        let paused = now.saturating_since(self.last_at) >= QUIET;
        let streak = if paused { 0 } else { self.streak };
        Self {
            in_row: self.in_row.saturating_add(1),
            streak: streak.saturating_add(1),
            last_at: self.last_at.max(now),
        }
    }

    pub(super) const fn disables(self) -> bool {
        self.in_row >= DISABLED_AT
    }

    /// Until when no answer is compared; `None` is now.
    pub(super) fn backed_off_until(self, now: UnixMillis) -> Option<UnixMillis> {
        let beyond = self.streak.checked_sub(BACK_OFF_AFTER)?;
        let pause = doubled(FIRST_BACK_OFF, beyond).min(LONGEST_BACK_OFF);
        Some(self.last_at.saturating_add(pause)).filter(|until| *until > now)
    }
}

fn doubled(duration: Duration, times: u32) -> Duration {
    duration.saturating_mul(2_u32.saturating_pow(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis::new(seconds.saturating_mul(1_000))
    }

    #[test]
    fn a_message_goes_again_after_30_seconds_then_twice_as_long() {
        let waits = [1, 2, 3, 4].map(|sends| resend_due(at(0), sends));
        assert_eq!(waits, [at(30), at(60), at(120), at(240)]);
        assert_eq!(
            resend_due(at(0), u32::MAX),
            resend_due(at(0), 40).max(resend_due(at(0), u32::MAX))
        );
    }

    #[test]
    fn a_recipient_gets_five_messages_in_ten_minutes() {
        let sent: Vec<_> = (0..5).rev().map(|n| at(n * 60)).collect();
        assert_eq!(recipient_due(&sent[1..], Channel::Email, at(240)), None);
        assert_eq!(recipient_due(&sent, Channel::Email, at(599)), Some(at(600)));
        assert_eq!(recipient_due(&sent, Channel::Email, at(600)), None);
    }

    #[test]
    fn a_recipient_gets_10_sms_or_20_emails_a_day() {
        let hourly = |count: i64| (0..count).rev().map(|n| at(n * 3_600)).collect::<Vec<_>>();
        let day = 24 * 3_600;
        assert_eq!(recipient_due(&hourly(9), Channel::Sms, at(day - 1)), None);
        assert_eq!(recipient_due(&hourly(10), Channel::Sms, at(day - 1)), Some(at(day)));
        assert_eq!(recipient_due(&hourly(10), Channel::Email, at(day - 1)), None);
        assert_eq!(recipient_due(&hourly(20), Channel::Email, at(day - 1)), Some(at(day)));
    }

    #[test]
    fn the_looked_at_messages_are_enough() {
        assert!(SENDS_IN_A_ROW.max(SMS_A_DAY).max(EMAILS_A_DAY) <= SENT_LOOKED_AT as usize);
    }

    #[test]
    fn ten_failures_back_off_from_30_seconds_to_an_hour() {
        let mut failures = Failures::default();
        let mut now = at(1_000_000);
        for _ in 0..9 {
            failures = failures.with_another(now);
            assert_eq!(failures.backed_off_until(now), None);
        }
        for pause in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            failures = failures.with_another(now);
            let until = UnixMillis::new(now.as_millis() + pause * 1_000);
            assert_eq!(failures.backed_off_until(now), Some(until));
            assert_eq!(failures.backed_off_until(until), None);
            now = UnixMillis::new(until.as_millis() - 1);
        }
    }

    #[test]
    fn an_hours_pause_ends_the_back_off_but_not_the_count_to_100() {
        let mut failures = Failures::default();
        for n in 0..100 {
            assert!(!failures.disables());
            failures = failures.with_another(at(1_000_000 + n * 3_600));
            assert_eq!(failures.streak, 1);
        }
        assert!(failures.disables());
    }

    #[test]
    fn a_clock_that_goes_back_shortens_no_back_off() {
        let mut failures = Failures::default();
        for _ in 0..10 {
            failures = failures.with_another(at(1_000_000));
        }
        let back = failures.with_another(at(0));
        assert!(back.backed_off_until(at(1_000_000)) > failures.backed_off_until(at(1_000_000)));
    }

    #[test]
    fn networks_are_what_one_person_has() {
        let network = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(network("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        for many in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "::1",
            "::ffff:10.0.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(network(many), None, "{many}");
        }
        assert!(network("100.128.0.1").is_some() && network("172.32.0.1").is_some());
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let length = 24 * 60 * 60;
        assert_eq!(day(at(length - 1)), (0, at(length)));
        assert_eq!(day(at(length)), (1, at(2 * length)));
        assert_eq!(day(at(-1)), (-1, at(0)));
    }

    #[test]
    fn a_prefix_has_a_tenth_of_the_budget() {
        assert_eq!([0, 5, 50, 1_000].map(prefix_budget), [0, 5, 10, 100]);
        assert_eq!((sms_prefix("+41790000001"), sms_prefix("+41")), ("+417900", "+41"));
    }
}
