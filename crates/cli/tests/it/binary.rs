//! The built program: real streams, real exit codes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn annals(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_annals"))
        .args(arguments)
        .env_remove("ANNALS_STORE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it has read everything breaks the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_and_version_are_on_stdout() {
    for flag in ["--help", "--version"] {
        let output = annals(&[flag], b"");
        assert_eq!(code(&output), 0);
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn wrong_usage_is_2() {
    let cases: [&[&str]; 5] = [
        &[],
        &["events"],
        &["events", "list", "a"],
        &["verify", "--nonsense"],
        &["payload", "decode"],
    ];
    for arguments in cases {
        let output = annals(arguments, b"");
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn a_store_that_cannot_be_is_3() {
    for url in
        ["nonsense", "ftp://x", "embedded:", "cassandra://localhost:9042?fencing=x", "memory:x"]
    {
        let output = annals(&["events", "append", "a", "--store", url], b"{\"payload\":1}");
        assert_eq!(code(&output), 3, "{url}: {}", stderr(&output));
    }
    let output = annals(&["--config", "application.conf", "verify"], b"");
    assert_eq!(code(&output), 3);
}

#[test]
fn receipts_are_json_lines() {
    let arguments = ["--store", "memory:", "--json", "events", "append", "a"];
    let output = annals(&arguments, b"{\"payload\":1}\n{\"payload\":2}\n{");
    assert_eq!(code(&output), 3);
    let receipts: Vec<serde_json::Value> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[1]["sequence_nr"], 2);
    assert!(stderr(&output).contains("line 3"));
}

#[test]
fn payloads_are_decoded_and_encoded() {
    let cases: [(&str, &[u8], &str); 6] = [
        ("31", b"{\"a\":123456789012345678901234}", "{\"a\":123456789012345678901234}"),
        ("20", "é\"".as_bytes(), r#""é\"""#),
        ("18", &[1, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775807"),
        ("33", b"\xa1\x61a\x01", "{\"a\":1}"),
        ("4", b"\0\xff", "{\"base64\":\"AP8=\"}"),
        ("35", &[1], "true"),
    ];
    for (serializer, bytes, json) in cases {
        let decoded = annals(&["payload", "decode", "--serializer", serializer], bytes);
        assert_eq!(code(&decoded), 0, "{}", stderr(&decoded));
        assert_eq!(String::from_utf8(decoded.stdout.clone()).unwrap(), format!("{json}\n"));
        let arguments = ["payload", "encode", "--manifest", "m", "--serializer", serializer];
        let encoded = annals(&arguments, &decoded.stdout);
        assert_eq!((code(&encoded), &encoded.stdout[..]), (0, bytes));
    }
}

#[test]
fn wrong_payloads_are_told_by_their_exit_code() {
    let decode = |serializer, bytes: &[u8]| {
        annals(&["payload", "decode", "--manifest", "m", "--serializer", serializer], bytes)
    };
    let unknown = decode("-5", b"x");
    assert_eq!(code(&unknown), 3);
    assert!(stderr(&unknown).contains("-5") && stderr(&unknown).contains("\"m\""));
    assert_eq!(code(&decode("31", b"{")), 7);
    assert_eq!(code(&decode("18", b"short")), 7);
    assert_eq!(code(&decode("33", &b"\x81".repeat(100_000))), 7);
    assert_eq!(code(&annals(&["payload", "encode", "--serializer", "18"], b"\"x\"")), 3);
    assert_eq!(code(&annals(&["payload", "encode", "--serializer", "18"], b"1 2")), 3);
    assert_eq!(code(&annals(&["payload", "encode", "--serializer", "20"], b"\"\xff\"")), 3);
}
