//! One row of the file: a flight as it was scheduled, and what became of it.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use csv::StringRecord;
use serde::{Deserialize, Serialize};

/// What tells a flight from every other: no two rows of a file may share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct FlightKey {
    pub(crate) carrier: String,
    pub(crate) number: u32,
    /// The scheduled hour of departure in UTC, `2013-01-01T10:00:00Z`.
    pub(crate) time_hour: String,
}

impl fmt::Display for FlightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.carrier, self.number, self.time_hour)
    }
}

/// From where to where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) origin: String,
    pub(crate) dest: String,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.origin, self.dest)
    }
}

/// A row that is well formed. Whether it is plausible is nobody's business here: the file is not in
/// the order of an aircraft's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: FlightKey,
    pub(crate) route: Route,
    /// Which aircraft; the file does not always know.
    pub(crate) tail: Option<String>,
    pub(crate) departed: bool,
    pub(crate) departure_delay_minutes: Option<i32>,
    pub(crate) landed: bool,
    pub(crate) arrival_delay_minutes: Option<i32>,
    pub(crate) air_minutes: Option<u32>,
    pub(crate) miles: u32,
}

impl Row {
    /// The entity id of the aircraft. A row without a tail number gets an aircraft of its own kind:
    /// the unknown one that flew under this carrier and flight number.
    pub(crate) fn aircraft(&self) -> String {
        match &self.tail {
            Some(tail) => tail.clone(),
            None => format!("unknown-{}-{}", self.key.carrier, self.key.number),
        }
    }
}

/// Takes the fields of one record by the names of their columns.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    columns: &'a Columns,
    record: &'a StringRecord,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(columns: &'a Columns, record: &'a StringRecord) -> Self {
        Self { columns, record }
    }

    /// The row, or what is malformed about it.
    pub(crate) fn row(&self) -> Result<Row, String> {
        if self.record.len() != self.columns.count {
            let (found, expected) = (self.record.len(), self.columns.count);
            return Err(format!("{found} fields where the header names {expected}"));
        }
        let key = FlightKey {
            carrier: self.text("carrier")?,
            number: self.number("flight")?,
            time_hour: self.time_hour()?,
        };
        let route = Route { origin: self.text("origin")?, dest: self.text("dest")? };
        Ok(Row {
            key,
            route,
            tail: self.known("tailnum")?.map(str::to_owned),
            departed: self.time_of_day("dep_time")?,
            departure_delay_minutes: self.number_if_known("dep_delay")?,
            landed: self.time_of_day("arr_time")?,
            arrival_delay_minutes: self.number_if_known("arr_delay")?,
            air_minutes: self.number_if_known("air_time")?,
            miles: self.number("distance")?,
        })
    }

    fn field(&self, name: &str) -> Result<&'a str, String> {
        let place = self.columns.places.get(name);
        let field = place.and_then(|place| self.record.get(*place)).unwrap_or_default().trim();
        if field.is_empty() { Err(format!("{name} is empty")) } else { Ok(field) }
    }

    /// The field, unless it says that its value is missing.
    fn known(&self, name: &str) -> Result<Option<&'a str>, String> {
        Ok(Some(self.field(name)?).filter(|field| *field != MISSING))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let field = self.known(name)?.ok_or_else(|| format!("{name} is missing"))?;
        Ok(field.to_owned())
    }

    fn number<N: FromStr>(&self, name: &str) -> Result<N, String> {
        self.number_if_known(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    fn number_if_known<N: FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        let number = |field: &str| {
            field
                .parse()
                .map_err(|_| format!("{name} is {field:?}, which is no number of its range"))
        };
        self.known(name)?.map(number).transpose()
    }

    /// Whether a local time HHMM is known; `2400` is midnight at the end of a day.
    fn time_of_day(&self, name: &str) -> Result<bool, String> {
        match self.number_if_known::<u32>(name)? {
            Some(time) if time > 2400 || time % 100 > 59 => {
                Err(format!("{name} is {time}, which is no time of day (HHMM)"))
            }
            time => Ok(time.is_some()),
        }
    }

    /// The scheduled hour in the one form that the file has, so that equal flights have equal keys.
    fn time_hour(&self) -> Result<String, String> {
        const FORM: &[u8] = b"dddd-dd-ddTdd:dd:ddZ";
        let field = self.text("time_hour")?;
        let fits = |(byte, form): (u8, &u8)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => byte == *form,
        };
        if field.len() == FORM.len() && field.bytes().zip(FORM).all(fits) {
            return Ok(field);
        }
        Err(format!("time_hour is {field:?}, where 2013-01-01T10:00:00Z was expected"))
    }
}

/// Where the columns that are used stand in a file.
#[derive(Debug)]
pub(crate) struct Columns {
    count: usize,
    places: HashMap<&'static str, usize>,
}

impl Columns {
    /// Looks the columns up by name: their order does not matter, and others may stand between.
    pub(crate) fn of(header: &StringRecord) -> Result<Self, String> {
        let mut places = HashMap::new();
        for name in COLUMNS {
            match header.iter().position(|column| column == name) {
                Some(place) => places.insert(name, place),
                None => return Err(format!("the header names no column {name}")),
            };
        }
        Ok(Self { count: header.len(), places })
    }
}

const COLUMNS: [&str; 12] = [
    "carrier",
    "flight",
    "time_hour",
    "tailnum",
    "origin",
    "dest",
    "dep_time",
    "dep_delay",
    "arr_time",
    "arr_delay",
    "air_time",
    "distance",
];

/// How the file says that a value is missing.
const MISSING: &str = "NA";
