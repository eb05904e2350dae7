use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::device::Device;
use crate::{UnixMillis, store::ApprovalRequest};

/// What the page of a live link shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ApprovalPage {
    system: String,
    /// Empty where there is none.
    operation: String,
    asked: Moment,
    ip: Option<String>,
    device: Option<Device>,
    /// Whether an answer came without the two digits.
    has_problem: bool,
}

/// A moment in parts, for each language to put together.
#[derive(Clone, Debug, Serialize)]
struct Moment {
    /// As machines read it.
    datetime: String,
    day: i8,
    month: i8,
    year: i16,
    /// Hours and minutes, UTC.
    time: String,
    minutes_ago: u64,
}

impl ApprovalPage {
    pub(super) fn new(request: ApprovalRequest, now: UnixMillis, has_problem: bool) -> Self {
        Self {
            asked: Moment::new(request.created_at, now),
            device: request.user_agent.as_deref().and_then(Device::of),
            system: request.system,
            operation: request.operation,
            ip: request.ip,
            has_problem,
        }
    }

    /// A case each of what can be there and what can be missing.
    pub(crate) fn samples() -> Vec<Self> {
        let devices = [
            None,
            Some(Device { program: Some("Firefox"), system: Some("Windows") }),
            Some(Device { program: Some("curl"), system: None }),
            Some(Device { program: None, system: Some("Android") }),
        ];
        let epoch = UnixMillis::new(0);
        let bare = Self {
            system: "bank".to_owned(),
            operation: String::new(),
            asked: Moment::new(epoch, epoch),
            ip: None,
            device: None,
            has_problem: false,
        };
        let months = (0..12).map(|month| {
            let asked = epoch.saturating_add(DAYS_31.saturating_mul(month));
            let asked = Moment { minutes_ago: month.into(), ..Moment::new(asked, asked) };
            Self { asked, ..bare.clone() }
        });
        let full = devices.map(|device| Self {
            operation: "Transfer 250.00 EUR to bob".to_owned(),
            ip: Some("2001:db8::7".to_owned()),
            device,
            has_problem: true,
            ..bare.clone()
        });
        months.chain(full).collect()
    }
}

impl Moment {
    fn new(moment: UnixMillis, now: UnixMillis) -> Self {
        let seconds = moment.as_millis().div_euclid(1_000);
        let timestamp = Timestamp::from_second(seconds).unwrap_or_default();
        let utc = TimeZone::UTC.to_datetime(timestamp);
        Self {
            datetime: timestamp.to_string(),
            day: utc.day(),
            month: utc.month(),
            year: utc.year(),
            time: utc.strftime("%H:%M").to_string(),
            minutes_ago: now.saturating_since(moment).as_secs() / 60,
        }
    }
}

const DAYS_31: Duration = Duration::from_secs(31 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_in_utc_and_to_the_minute() {
        let asked = UnixMillis::new(1_796_082_507_999);
        let moment = |later| Moment::new(asked, UnixMillis::new(asked.as_millis() + later));
        let shown = moment(0);
        assert_eq!(shown.datetime, "2026-11-30T23:48:27Z");
        assert_eq!((shown.day, shown.month, shown.year, &*shown.time), (30, 11, 2026, "23:48"));
        let ago = [-5_000, 0, 59_999, 60_000, 599_999].map(|later| moment(later).minutes_ago);
        assert_eq!(ago, [0, 0, 0, 1, 9]);
    }
}
