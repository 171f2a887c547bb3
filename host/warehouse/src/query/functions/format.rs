//! `DATE_FORMAT` and `STR_TO_DATE`: the `%` letters of MySQL, both ways. Pure.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::field::week_of_year;
use crate::catalog::calendar;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How many letters an abbreviated name has.
const SHORT: usize = 3;

/// Prints a time; a letter that means nothing prints itself.
pub(super) fn format(micros: i64, format: &str) -> Option<String> {
    let at = calendar::from_micros(micros)?;
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
        } else if let Some(letter) = letters.next() {
            write_part(&mut text, letter, at);
        }
    }
    Some(text)
}

fn write_part(text: &mut String, letter: char, at: DateTime) {
    let day = at.date();
    let month_name = name(&MONTHS, day.month() - 1);
    let day_name = name(&DAYS, day.weekday().since(Weekday::Monday));
    let hour12 = match at.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let half = if at.hour() < 12 { "AM" } else { "PM" };
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    // Writing to a string does not fail.
    let _ = match letter {
        'Y' => write!(text, "{:04}", day.year()),
        'y' => write!(text, "{:02}", day.year().rem_euclid(100)),
        'm' => write!(text, "{:02}", day.month()),
        'c' => write!(text, "{}", day.month()),
        'M' => text.write_str(month_name),
        'b' => text.write_str(month_name.get(..SHORT).unwrap_or_default()),
        'd' => write!(text, "{:02}", day.day()),
        'e' => write!(text, "{}", day.day()),
        'D' => write!(text, "{}{}", day.day(), ordinal_suffix(day.day())),
        'j' => write!(text, "{:03}", day.day_of_year()),
        'W' => text.write_str(day_name),
        'a' => text.write_str(day_name.get(..SHORT).unwrap_or_default()),
        'w' => write!(text, "{}", day.weekday().since(Weekday::Sunday)),
        'U' => write!(text, "{:02}", week_of_year(day, Weekday::Sunday)),
        'u' => write!(text, "{:02}", week_of_year(day, Weekday::Monday)),
        'v' => write!(text, "{:02}", day.iso_week_date().week()),
        'x' => write!(text, "{:04}", day.iso_week_date().year()),
        'H' => write!(text, "{hour:02}"),
        'k' => write!(text, "{hour}"),
        'h' | 'I' => write!(text, "{hour12:02}"),
        'l' => write!(text, "{hour12}"),
        'i' => write!(text, "{minute:02}"),
        's' | 'S' => write!(text, "{second:02}"),
        'f' => write!(text, "{:06}", at.subsec_nanosecond() / 1000),
        'p' => text.write_str(half),
        'T' => write!(text, "{hour:02}:{minute:02}:{second:02}"),
        'r' => write!(text, "{hour12:02}:{minute:02}:{second:02} {half}"),
        other => text.write_char(other),
    };
}

fn name<const N: usize>(names: &[&'static str; N], place: i8) -> &'static str {
    usize::try_from(place).ok().and_then(|place| names.get(place)).copied().unwrap_or_default()
}

fn ordinal_suffix(day: i8) -> &'static str {
    match (day, day % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// Reads a time. What the format does not name is 0; text that does not follow it is none.
pub(super) fn parse(text: &str, format: &str) -> Option<i64> {
    let mut input = Input { rest: text };
    let mut parts = Parts { month: 1, day: 1, ..Parts::default() };
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            if letter.is_whitespace() {
                input.rest = input.rest.trim_start();
            } else {
                input.literal(letter)?;
            }
            continue;
        }
        parts.read(letters.next()?, &mut input)?;
    }
    if !input.rest.trim().is_empty() {
        return None;
    }
    parts.time().map(calendar::to_micros)
}

/// Whether a format names a part of the time of day: `STR_TO_DATE` gives a day without one.
pub(super) fn has_time(format: &str) -> bool {
    let letters = format.split('%').skip(1).filter_map(|part| part.chars().next());
    letters.into_iter().any(|letter| "HkhIlisSfpTr".contains(letter))
}

struct Input<'a> {
    rest: &'a str,
}

impl Input<'_> {
    fn literal(&mut self, letter: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(letter)?;
        Some(())
    }

    fn number(&mut self, max_digits: usize) -> Option<i16> {
        let digits = self.rest.bytes().take(max_digits).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        number.parse().ok()
    }

    /// The place of a name that comes next, whole or by its first letters.
    fn name(&mut self, names: &[&str]) -> Option<i16> {
        let begins = |name: &str| {
            let head = self.rest.get(..name.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(name))
        };
        let find = |length: fn(&str) -> &str| {
            names.iter().position(|name| begins(length(name))).map(|place| (place, length))
        };
        let (place, length) =
            find(|name| name).or_else(|| find(|name| name.get(..SHORT).unwrap_or(name)))?;
        self.rest = self.rest.get(length(names.get(place)?).len()..)?;
        i16::try_from(place).ok()
    }
}

#[derive(Default)]
struct Parts {
    year: i16,
    month: i16,
    day: i16,
    hour: i16,
    minute: i16,
    second: i16,
    micros: i32,
    is_afternoon: Option<bool>,
}

impl Parts {
    fn read(&mut self, letter: char, input: &mut Input<'_>) -> Option<()> {
        match letter {
            'Y' => self.year = input.number(4)?,
            'y' => {
                let year = input.number(2)?;
                self.year = if year < 70 { 2000 + year } else { 1900 + year };
            }
            'm' | 'c' => self.month = input.number(2)?,
            'M' | 'b' => self.month = input.name(&MONTHS)? + 1,
            'd' | 'e' => self.day = input.number(2)?,
            'W' | 'a' => {
                input.name(&DAYS)?;
            }
            'H' | 'k' | 'h' | 'I' | 'l' => self.hour = input.number(2)?,
            'i' => self.minute = input.number(2)?,
            's' | 'S' => self.second = input.number(2)?,
            'f' => self.micros = read_fraction(input)?,
            'p' => self.is_afternoon = Some(input.name(&["AM", "PM"])? == 1),
            'T' => {
                self.hour = input.number(2)?;
                input.literal(':')?;
                self.minute = input.number(2)?;
                input.literal(':')?;
                self.second = input.number(2)?;
            }
            '%' => input.literal('%')?,
            _ => return None,
        }
        Some(())
    }

    fn time(self) -> Option<DateTime> {
        let hour = match self.is_afternoon {
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let part = |number: i16| i8::try_from(number).ok();
        let day = Date::new(self.year, part(self.month)?, part(self.day)?).ok()?;
        let time =
            Time::new(part(hour)?, part(self.minute)?, part(self.second)?, self.micros * 1000);
        Some(day.to_datetime(time.ok()?))
    }
}

fn read_fraction(input: &mut Input<'_>) -> Option<i32> {
    let digits = input.rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = input.rest.split_at_checked(digits)?;
    input.rest = rest;
    format!("{fraction:0<6}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::{format_datetime, parse_datetime};

    #[test]
    fn letters_print_parts() {
        let at = parse_datetime("2024-03-02 15:04:05.000007").expect("a time");
        for (letters, expected) in [
            ("%Y-%m-%d", "2024-03-02"),
            ("%H:%i:%s.%f", "15:04:05.000007"),
            ("%T %r", "15:04:05 03:04:05 PM"),
            ("%e. %M %y, %W", "2. March 24, Saturday"),
            ("%b %a %D %j", "Mar Sat 2nd 062"),
            ("%c %k %l %h", "3 15 3 03"),
            ("100%%, %q", "100%, q"),
            ("%x-%v %w", "2024-09 6"),
        ] {
            assert_eq!(format(at, letters).as_deref(), Some(expected), "{letters}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for (text, letters, expected) in [
            ("2024-03-02", "%Y-%m-%d", Some("2024-03-02 00:00:00")),
            ("2/3/24", "%e/%c/%y", Some("2024-03-02 00:00:00")),
            ("March 2, 1999 3:04 PM", "%M %d, %Y %h:%i %p", Some("1999-03-02 15:04:00")),
            ("02mar2024", "%d%b%Y", Some("2024-03-02 00:00:00")),
            ("20240302150405", "%Y%m%d%H%i%s", Some("2024-03-02 15:04:05")),
            ("2024-02-30", "%Y-%m-%d", None),
            ("2024-02-03x", "%Y-%m-%d", None),
            ("nonsense", "%Y-%m-%d", None),
        ] {
            let read = parse(text, letters).and_then(format_datetime);
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert!(has_time("%Y %H") && !has_time("%Y-%m-%d"));
    }
}
