//! Wall-clock time as people write it: UTC, without a locale or a time zone database.

use std::fmt;

const MILLIS_A_DAY: u64 = 86_400_000;
/// Days from 1970-01-01 back to 0000-03-01, where the count below begins.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_ERA: u64 = 146_097;

/// A moment in UTC. Displayed as `2026-02-20T07:45:38.307Z` (ISO 8601, milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcTime {
    /// The year.
    pub year: u64,
    /// The month, 1 to 12.
    pub month: u64,
    /// The day of the month, from 1.
    pub day: u64,
    /// Milliseconds since midnight.
    pub millis: u64,
}

impl UtcTime {
    /// The moment so many milliseconds after 1970 began.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Self {
        // Years that begin in March end with the leap day, so that no month's length depends on the year.
        let days = millis / MILLIS_A_DAY + DAYS_BEFORE_1970;
        let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day_of_month = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
        Self { year, month, day: day_of_month, millis: millis % MILLIS_A_DAY }
    }

    /// As part of a file name or an identifier: `20260220_074538`.
    #[must_use]
    pub fn compact(self) -> String {
        let Self { year, month, day, .. } = self;
        let (hour, minute, second) = self.clock();
        format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}")
    }

    /// Hour, minute and second.
    const fn clock(self) -> (u64, u64, u64) {
        let seconds = self.millis / 1000;
        (seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, millis } = self;
        let (hour, minute, second) = self.clock();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000)
    }
}

/// Milliseconds since 1970 in ISO 8601, UTC.
#[must_use]
pub fn timestamp(unix_millis: u64) -> String {
    UtcTime::from_unix_millis(unix_millis).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement 002-005; the last is from the sample journal (spec: operations §1.13).
    #[test]
    fn moments_are_written_as_iso_8601() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_771_573_538_307, "2026-02-20T07:45:38.307Z"),
        ];
        for (millis, written) in known {
            assert_eq!(timestamp(millis), written);
        }
        assert_eq!(UtcTime::from_unix_millis(1_771_573_538_307).compact(), "20260220_074538");
    }

    #[test]
    fn days_follow_each_other_through_four_centuries() {
        let mut last = UtcTime::from_unix_millis(0);
        for day in 1..DAYS_OF_ERA {
            let next = UtcTime::from_unix_millis(day * MILLIS_A_DAY);
            let month_ends = next.day == 1 && next.month == last.month % 12 + 1;
            assert!(month_ends || (next.day == last.day + 1 && next.month == last.month), "{next}");
            last = next;
        }
        assert_eq!((last.year, last.month, last.day), (2369, 12, 31));
    }
}
