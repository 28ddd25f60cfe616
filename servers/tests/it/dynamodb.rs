//! DynamoDB Local, and what is true of every server behind a guard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use annals_servers::{DynamoDb, Storage};

use crate::{await_gone, pid, runs};

/// Tells the test binary, run by one of its own tests, to hold a server until it is ended.
const HOLD: &str = "ANNALS_SERVERS_TEST_HOLD";

/// A request as the SDKs send it, signed by nobody in particular: DynamoDB Local wants a signature but does
/// not check it.
fn request(endpoint: &str, operation: &str, body: &str) -> std::io::Result<String> {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head = format!(
        "POST / HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=a\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn tables_on_disk_survive_a_kill_and_a_stop() {
    let server = DynamoDb::start(Storage::Disk).unwrap();
    let table = r#"{"TableName":"kept","BillingMode":"PAY_PER_REQUEST",
        "AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"k","KeyType":"HASH"}]}"#;
    let answer = request(server.endpoint(), "CreateTable", table).unwrap();
    assert!(answer.contains("TableDescription"), "{answer}");

    for end in [DynamoDb::kill, DynamoDb::stop] {
        let old = pid(server.directory());
        end(&server).unwrap();
        assert!(!runs(&old));
        request(server.endpoint(), "ListTables", "{}").unwrap_err();

        server.start_again().unwrap();
        let answer = request(server.endpoint(), "ListTables", "{}").unwrap();
        assert!(answer.contains(r#"["kept"]"#), "{answer}");
    }

    let (pid, directory) = (pid(server.directory()), server.directory().to_owned());
    drop(server);
    assert!(!runs(&pid) && !directory.exists());
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() {
    let server = DynamoDb::start(Storage::Memory).unwrap();
    let error = server.start_again().unwrap_err().to_string();
    assert!(error.contains("already running"), "{error}");

    server.pause().unwrap();
    let endpoint = server.endpoint().to_owned();
    let waiting = std::thread::spawn(move || request(&endpoint, "ListTables", "{}"));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());

    server.resume().unwrap();
    let answer = waiting.join().unwrap().unwrap();
    assert!(answer.contains("TableNames"), "{answer}");
}

#[test]
fn a_server_ends_with_a_process_that_is_killed() {
    // What `kill -9` does not leave time for, a panic or an exit does not either.
    let (mut child, pid, directory) = holder();
    assert!(runs(&pid));

    child.kill().unwrap();
    child.wait().unwrap();

    await_gone(&pid, &directory);
}

#[test]
fn a_shared_server_ends_when_the_process_ends_in_order() {
    let (mut child, pid, directory) = holder();

    drop(child.stdin.take());

    assert!(child.wait().unwrap().success());
    await_gone(&pid, &directory);
}

/// Not a test of its own: what [`holder`] runs.
#[test]
fn holder_process() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let server = DynamoDb::start(Storage::Memory).unwrap();
    println!("\nholds {} {}", pid(server.directory()), server.directory().display());
    // As a static does: never dropped.
    std::mem::forget(server);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// A process that holds a server, the server's process id and its folder.
fn holder() -> (Child, String, PathBuf) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dynamodb::holder_process", "--nocapture"])
        .env(HOLD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines().map(|line| line.unwrap());
    let line = lines.find(|line| line.starts_with("holds ")).unwrap();
    // The test harness of the child goes on printing.
    std::thread::spawn(move || lines.count());
    let mut words = line.split(' ').skip(1);
    (child, words.next().unwrap().to_owned(), PathBuf::from(words.next().unwrap()))
}
