use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use crate::Timestamp;

/// Hours of some days of the week, as the clocks of a place show them.
///
/// Clocks are set forward and back there as they are; public holidays are days like others.
///
/// ```
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Hours, Rules, Weekday};
/// # fn rules() -> Result<Rules, Box<dyn std::error::Error>> {
/// use Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
///
/// let office_hours = Hours::in_zone("Europe/Berlin")?
///     .between("08:00", "18:00")?
///     .on([Monday, Tuesday, Wednesday, Thursday, Friday]);
/// let policy = Rules::floor(Requirement::system("bank"))
///     .raise_when("after hours", move |facts| !office_hours.contain(facts.now()), Requirement::system("bank").pin());
/// # Ok(policy)
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Hours {
    zone: TimeZone,
    from: Time,
    until: Time,
    days: Vec<Weekday>,
}

/// The name of no time zone, or no time of day.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoursError {
    /// No time zone of the IANA database has this name.
    #[error("{name:?} is no time zone: write its name in the IANA database, like Europe/Berlin")]
    Zone {
        /// What was given.
        name: String,
    },
    /// It is not a time of day.
    #[error("{text:?} is no time of day: write hours and minutes, like 08:00")]
    Time {
        /// What was given.
        text: String,
    },
}

impl Hours {
    /// All hours of all days, in the time zone called `name` in the IANA database.
    ///
    /// # Errors
    ///
    /// [`HoursError::Zone`] if there is none.
    pub fn in_zone(name: &str) -> Result<Self, HoursError> {
        let zone = TimeZone::get(name).map_err(|_| HoursError::Zone { name: name.to_owned() })?;
        let days = Weekday::Monday.cycle_forward().take(7).collect();
        Ok(Self { zone, from: Time::midnight(), until: Time::midnight(), days })
    }

    /// Only from the time of day `from`, like `08:00`, up to but without `until`. If that is earlier,
    /// it is a time of the next day, and the hours after midnight belong to the day before; if it is
    /// the same, they are all hours of the day from there.
    ///
    /// # Errors
    ///
    /// [`HoursError::Time`] if one of them is none.
    pub fn between(mut self, from: &str, until: &str) -> Result<Self, HoursError> {
        (self.from, self.until) = (time(from)?, time(until)?);
        Ok(self)
    }

    /// Only on `days`.
    pub fn on(mut self, days: impl IntoIterator<Item = Weekday>) -> Self {
        self.days = days.into_iter().collect();
        self
    }

    /// Whether `moment` is within them.
    #[must_use]
    pub fn contain(&self, moment: Timestamp) -> bool {
        let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
        let Ok(moment) = jiff::Timestamp::from_millisecond(millis) else { return false };
        let there = self.zone.to_datetime(moment);
        let (time, today) = (there.time(), there.weekday());
        let is_on = |day| self.days.contains(&day);
        if self.from < self.until {
            self.from <= time && time < self.until && is_on(today)
        } else {
            (self.from <= time && is_on(today)) || (time < self.until && is_on(today.previous()))
        }
    }
}

fn time(text: &str) -> Result<Time, HoursError> {
    let parsed = text.split_once(':').and_then(|(hour, minute)| {
        let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
        let is_time = is_plain(hour) && is_plain(minute);
        let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
        is_time.then(|| Time::new(hour, minute, 0, 0).ok()).flatten()
    });
    parsed.ok_or_else(|| HoursError::Time { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(hours: &Hours, moment: &str) -> bool {
        let moment: jiff::Timestamp = moment.parse().unwrap();
        hours.contain(Timestamp::from_millis(moment.as_millisecond().try_into().unwrap()))
    }

    fn berlin() -> Hours {
        Hours::in_zone("Europe/Berlin").unwrap()
    }

    #[test]
    fn hours_are_those_of_the_place_in_summer_and_in_winter() {
        let hours = berlin().between("08:00", "18:00").unwrap();
        for (moment, expected) in [
            ("2026-01-14T06:59:59Z", false),
            ("2026-01-14T07:00:00Z", true),
            ("2026-01-14T16:59:59Z", true),
            ("2026-01-14T17:00:00Z", false),
            ("2026-07-15T06:00:00Z", true),
            ("2026-07-15T16:00:00Z", false),
        ] {
            assert_eq!(contain(&hours, moment), expected, "{moment}");
        }
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_before() {
        let friday_night = berlin().between("22:00", "06:00").unwrap().on([Weekday::Friday]);
        for (moment, expected) in [
            ("2026-11-20T20:59:59Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T21:00:00Z", false),
            ("2026-11-20T04:00:00Z", false),
        ] {
            assert_eq!(contain(&friday_night, moment), expected, "{moment}");
        }
    }

    #[test]
    fn without_more_all_hours_are_meant() {
        assert!(
            contain(&berlin(), "2026-11-22T22:59:59Z")
                && contain(&berlin(), "2026-11-22T23:00:00Z")
        );
        assert!(!berlin().on([]).contain(Timestamp::from_millis(0)));
        assert!(!berlin().contain(Timestamp::from_millis(u64::MAX)));
    }

    #[test]
    fn what_is_no_zone_or_time_is_said() {
        let error = Hours::in_zone("Europe/Atlantis").unwrap_err();
        assert!(error.to_string().starts_with("\"Europe/Atlantis\" is no time zone"), "{error}");
        for text in ["", "8:00", "24:00", "08:60", "08", "08:00:00", "+8:00", "08: 0"] {
            let error = berlin().between("08:00", text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
