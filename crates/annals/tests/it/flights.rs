//! The example `flights`, run as a program: its board is the file's, whatever the file holds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::program::example;

/// Rows per carrier, counted from the example's file with another program.
const FLIGHTS: [(&str, u64); 16] = [
    ("UA", 4637),
    ("B6", 4427),
    ("EV", 4171),
    ("DL", 3690),
    ("AA", 2794),
    ("MQ", 2271),
    ("US", 1602),
    ("9E", 1573),
    ("WN", 996),
    ("FL", 328),
    ("VX", 316),
    ("AS", 62),
    ("F9", 59),
    ("YV", 46),
    ("HA", 31),
    ("OO", 1),
];

const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,\
                      arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,\
                      time_hour";

const ROW: &str =
    "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";

fn run(arguments: &[&str]) -> Output {
    Command::new(example("flights")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Writes a file of `rows` into `folder`.
fn file_of(folder: &Path, rows: &[&str]) -> String {
    let file = folder.join("flights.csv");
    fs::write(&file, format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap();
    file.to_str().unwrap().to_owned()
}

fn first_rows_of_the_own_file(folder: &Path, rows: usize) -> String {
    let own =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flights/data/flights-2013-01.csv.gz");
    let text = BufReader::new(GzDecoder::new(fs::File::open(own).unwrap()));
    let rows: Vec<String> = text.lines().skip(1).take(rows).collect::<Result<_, _>>().unwrap();
    file_of(folder, &rows.iter().map(String::as_str).collect::<Vec<_>>())
}

fn store_in(folder: &Path) -> String {
    format!("embedded:{}", folder.join("store").display())
}

fn run_on(folder: &Path, rows: &[&str], arguments: &[&str]) -> Output {
    let file = file_of(folder, rows);
    run(&[&["--store", "memory:", "--data", &file], arguments].concat())
}

#[test]
fn the_board_has_the_figures_of_the_file() {
    let output = run(&["--store", "memory:", "--json"]);

    let board: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let flights: Vec<(&str, u64)> = board
        .iter()
        .map(|line| (line["carrier"].as_str().unwrap(), line["flights"].as_u64().unwrap()))
        .collect();
    assert_eq!(flights, FLIGHTS);
    let sum = |field: &str| board.iter().map(|line| line[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!(sum("flights"), 27_004);
    assert_eq!(sum("cancelled"), 521);
    assert_eq!(sum("miles"), 26_755_517);
    assert_eq!(sum("arrival_delay_minutes"), 161_819);
    let text = stderr(&output);
    assert!(text.contains("27,004 flights of 3,148 aircraft; 155 without a tail number"), "{text}");
    assert!(text.contains("recorded  27,004 flights (53,472 events)"), "{text}");
}

#[test]
fn a_line_of_the_board_has_its_fields_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let rows =
        [ROW, "2013,1,1,NA,515,NA,NA,819,NA,UA,7,NA,EWR,IAH,NA,1400,5,15,2013-01-01T10:00:00Z"];

    let output = run_on(folder.path(), &rows, &["--json"]);

    let expected =
        r#"{"carrier":"UA","flights":2,"cancelled":1,"miles":1400,"arrival_delay_minutes":11}"#;
    assert_eq!(stdout(&output), format!("{expected}\n"));
}

#[test]
fn rows_that_are_malformed_or_doubled_are_rejected_with_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = ROW;
    let rows = [
        good.to_owned(),
        good.replace("N14228", "N99999"),
        good.replace(",1400,", ",far,"),
        good.replace(",517,", ",2575,"),
        good.replace("T10:00:00Z", " 10:00"),
        good.replace(",UA,", ",,"),
        "2013,1,1".to_owned(),
        good.replace("1545", "1546"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();

    let text = stdout(&run_on(folder.path(), &rows, &[]));

    for reason in [
        "line 3: flight UA 1545 of 2013-01-01T10:00:00Z stands in line 2 already",
        "line 4: distance is \"far\", which is no number of its range",
        "line 5: dep_time is 2575, which is no time of day (HHMM)",
        "line 6: time_hour is \"2013-01-01 10:00\", where 2013-01-01T10:00:00Z was expected",
        "line 7: carrier is empty",
        "line 8: 3 fields where the header names 19",
        "recorded  2 flights",
    ] {
        assert!(text.contains(reason), "{reason:?} is missing in\n{text}");
    }
}

#[test]
fn a_file_without_flights_fails_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flights.csv");
    let data = file.to_str().unwrap();
    for (content, reason) in [
        ("carrier,flight\nUA,1\n", "the header names no column time_hour"),
        (HEADER, "holds no flight that can be recorded"),
        ("\u{1f}\u{8b}", "the header names no column"),
    ] {
        fs::write(&file, content).unwrap();
        let output = run(&["--store", "memory:", "--data", data]);
        assert!(!output.status.success());
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
    fs::write(&file, [0x1f, 0x8b, 0x08]).unwrap();
    let output = run(&["--store", "memory:", "--data", data]);
    assert!(stderr(&output).contains("is no whole gzip file"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_store_that_cannot_be_opened_fails_and_names_it() {
    let output = run(&["--store", "dynamodb:here"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("dynamodb"), "{}", stderr(&output));
}

#[test]
fn a_second_run_recovers_instead_of_recording_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());

    let first = run(&["--store", &store, "--json"]);
    let second = run(&["--store", &store, "--json"]);

    assert_eq!(stdout(&first), stdout(&second));
    let text = stderr(&second);
    assert!(text.contains("recorded  0 flights (0 events)"), "{text}");
    assert!(text.contains("known     27,004 flights"), "{text}");
}

#[test]
fn a_run_that_was_killed_goes_on_with_nothing_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let data = first_rows_of_the_own_file(folder.path(), 10_000);
    let mut arguments = vec!["--store", &store, "--data", &data, "--json"];
    for percent in ["10 %", "30 %", "50 %"] {
        let mut child = Command::new(example("flights"))
            .args(&arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reached = lines.map_while(Result::ok).any(|line| line.contains(percent));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(reached, "the run never came to {percent}");
    }

    let last = run(&arguments);

    arguments[1] = "memory:";
    assert_eq!(stdout(&last), stdout(&run(&arguments)));
    let text = stderr(&last);
    assert!(text.contains("refused to record them twice"), "{text}");
    assert!(!text.contains("known     10,000"), "the run was killed too late: {text}");
}

#[test]
fn a_board_that_differs_from_the_file_fails_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    stdout(&run(&["--store", &store, "--data", &file_of(folder.path(), &[ROW])]));

    let farther = ROW.replace(",1400,", ",1500,");
    let output = run(&["--store", &store, "--data", &file_of(folder.path(), &[&farther])]);

    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("UA: the streams say") && text.contains("\"miles\":1500"), "{text}");
}

#[test]
fn a_flight_that_another_aircraft_recorded_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    stdout(&run(&["--store", &store, "--data", &file_of(folder.path(), &[ROW])]));

    let rows = [ROW.replace("N14228", "N99999"), ROW.replace("1545", "1546")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let text = stdout(&run(&["--store", &store, "--data", &file_of(folder.path(), &rows)]));

    let reason = "flight UA 1545 of 2013-01-01T10:00:00Z: aircraft|N14228 recorded it already";
    assert!(text.contains(reason), "{text}");
    assert!(text.contains("recorded  1 flights"), "{text}");
}

#[test]
fn a_store_may_hold_the_flights_of_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    stdout(&run(&["--store", &store, "--data", &file_of(folder.path(), &[ROW])]));

    let february = ROW.replace("2013-01", "2013-02");
    let data = file_of(folder.path(), &[&february]);
    let output = run(&["--store", &store, "--data", &data, "--json"]);

    assert!(stdout(&output).contains("\"flights\":1,"), "{}", stdout(&output));
    assert!(stderr(&output).contains("(1 recorded flights are of other files)"));
}

/// A store on DynamoDB Local, its tables created.
#[cfg(feature = "dynamodb")]
fn store_on_dynamodb() -> String {
    let run = std::process::id();
    let endpoint = annals_servers::dynamodb();
    let (journal, snapshots) = (format!("flights-{run}"), format!("flights-{run}-snapshots"));
    let store = annals::dynamodb::DynamoDb::builder()
        .endpoint(endpoint)
        .static_credentials("any", "any")
        .tables(journal.as_str(), snapshots.as_str());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { store.open().await.unwrap().create_tables().await.unwrap() });
    let host = endpoint.trim_start_matches("http://");
    format!("dynamodb://{host}?journal-table={journal}&snapshot-table={snapshots}&requests-max=16")
}

/// Flights, cancelled flights and miles by carrier, counted from the rows of `file`.
#[cfg(feature = "dynamodb")]
fn counted(file: &str) -> std::collections::BTreeMap<String, (u64, u64, u64)> {
    let mut carriers = std::collections::BTreeMap::new();
    for row in fs::read_to_string(file).unwrap().lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let line: &mut (u64, u64, u64) = carriers.entry(fields[9].to_owned()).or_default();
        line.0 += 1;
        line.1 += u64::from(fields[3] == "NA");
        line.2 += if fields[14] == "NA" { 0 } else { fields[15].parse().unwrap() };
    }
    carriers
}

/// The store has no tags: the board comes from the events of all aircraft.
#[cfg(feature = "dynamodb")]
#[test]
fn on_dynamodb_a_run_that_was_killed_goes_on_and_the_board_is_that_of_the_file() {
    const ROWS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let data = first_rows_of_the_own_file(folder.path(), ROWS);
    let store = store_on_dynamodb();
    let arguments = ["--store", &store, "--data", &data, "--json"];
    let mut child =
        Command::new(example("flights")).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines.map_while(Result::ok).any(|line| line.contains("30 %"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reached, "the run never came to 30 %");

    let second = run(&arguments);
    let third = run(&arguments);

    let text = stderr(&second);
    assert!(text.contains("refused to record them twice"), "{text}");
    assert!(!text.contains(&format!("known     {ROWS}")), "the run was killed too late: {text}");
    assert!(text.contains("the events of all aircraft"), "{text}");
    let board: Vec<Value> =
        stdout(&second).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let number = |line: &Value, field: &str| line[field].as_u64().unwrap();
    let figures = board.iter().map(|line| {
        let figures = (number(line, "flights"), number(line, "cancelled"), number(line, "miles"));
        (line["carrier"].as_str().unwrap().to_owned(), figures)
    });
    assert_eq!(figures.collect::<std::collections::BTreeMap<_, _>>(), counted(&data));
    assert_eq!(stdout(&third), stdout(&second));
    assert!(stderr(&third).contains("recorded  0 flights"), "{}", stderr(&third));
}
