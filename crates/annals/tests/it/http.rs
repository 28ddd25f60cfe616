//! The example `http`, run as a program and killed: whatever was acknowledged is there, once.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::example;

/// Longer than any answer takes; who waits so long fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service on a free port; it ends with the test.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    fn start(store: &str) -> Self {
        let mut child = Command::new(example("http"))
            .args(["--listen", "127.0.0.1:0", "--store", store])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://");
        let address = address.and_then(|rest| rest.split_whitespace().next());
        let address = address.unwrap_or_else(|| panic!("it does not listen, but says {line:?}"));
        Self { child, address: address.parse().unwrap() }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        assert!(!self.child.wait().unwrap().success(), "it ended before it was killed");
    }

    /// What it answers to `POST /accounts/ACCOUNT/deposits`.
    fn deposit(&self, account: &str, id: &str, cents: u64) -> (u16, Value) {
        deposit(self.address, account, &Deposit { id: id.to_owned(), cents }).unwrap()
    }

    /// The cents of an account, and how many deposits they are.
    fn balance(&self, account: &str) -> (u64, u64) {
        let path = format!("/accounts/{account}");
        let (status, body) = request(self.address, "GET", &path, "").unwrap();
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        (body["cents"].as_u64().unwrap(), body["deposits"].as_u64().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Deposit {
    id: String,
    cents: u64,
}

fn deposit(address: SocketAddr, account: &str, deposit: &Deposit) -> io::Result<(u16, Value)> {
    let body = json!({ "id": deposit.id, "cents": deposit.cents }).to_string();
    let path = format!("/accounts/{account}/deposits");
    let (status, body) = request(address, "POST", &path, &body)?;
    Ok((status, serde_json::from_str(&body)?))
}

/// Status and body of the answer to one request; an answer that is cut off is an error.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut off");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut_off)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if length.and_then(|length| length.parse().ok()) != Some(body.len()) {
        return Err(cut_off());
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(cut_off)?, body.to_owned()))
}

/// Makes one deposit after the other, of other amounts each, until one is not answered.
fn deposit_until_killed(address: SocketAddr, client: u64, acknowledged: &Sender<()>) -> Made {
    let mut made = Made::default();
    for number in 1.. {
        let next = Deposit { id: format!("{client}-{number}"), cents: 1_000 * client + number };
        match deposit(address, "alice", &next) {
            Ok((status, body)) => {
                assert_eq!(status, 200, "{body}");
                made.acknowledged.push(next);
                // Nobody counts any more once the service is to be killed.
                let _ = acknowledged.send(());
            }
            Err(_) => {
                made.unanswered = Some(next);
                break;
            }
        }
    }
    made
}

#[derive(Debug, Default)]
struct Made {
    acknowledged: Vec<Deposit>,
    unanswered: Option<Deposit>,
}

/// Four clients at a time, and the service killed after `count` acknowledgements.
fn kill_after(service: Service, count: usize, round: u64) -> Vec<Made> {
    let (acknowledged, count_up) = mpsc::channel();
    let address = service.address;
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let acknowledged = acknowledged.clone();
            thread::spawn(move || deposit_until_killed(address, 4 * round + client, &acknowledged))
        })
        .collect();
    for _ in 0..count {
        count_up.recv_timeout(PATIENCE).expect("deposits are acknowledged");
    }
    service.kill();
    clients.into_iter().map(|client| client.join().unwrap()).collect()
}

fn store_in(folder: &Path) -> String {
    format!("embedded:{}", folder.join("store").display())
}

#[test]
fn acknowledged_deposits_survive_a_kill_and_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..3 {
        let made = kill_after(Service::start(&store), 50, round);

        let service = Service::start(&store);
        let acknowledged: Vec<&Deposit> = made.iter().flat_map(|made| &made.acknowledged).collect();
        let unanswered: Vec<&Deposit> =
            made.iter().filter_map(|made| made.unanswered.as_ref()).collect();
        let before = all.clone();
        all.extend(acknowledged.iter().map(|made| (made.id.clone(), made.cents)));
        let (cents, deposits) = service.balance("alice");
        let known = u64::try_from(all.len()).unwrap();
        let sent = known + u64::try_from(unanswered.len()).unwrap();
        assert!(acknowledged.len() >= 50 && all.len() == before.len() + acknowledged.len());
        assert!((known..=sent).contains(&deposits), "{deposits} of {known} to {sent} deposits");
        assert!(cents >= all.values().sum(), "an acknowledged deposit is lost");

        // Whoever got no answer sends the same again; so does one who forgot that it got one.
        for made in unanswered.iter().chain(&acknowledged) {
            let (status, body) = service.deposit("alice", &made.id, made.cents);
            assert_eq!(status, 200, "{body}");
        }
        all.extend(unanswered.iter().map(|made| (made.id.clone(), made.cents)));
        let expected = (all.values().sum(), u64::try_from(all.len()).unwrap());
        assert_eq!(service.balance("alice"), expected);
        service.kill();
        assert_eq!(Service::start(&store).balance("alice"), expected, "after another kill");
    }
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let service = Service::start("memory:");
    let known = json!({ "cents": 100, "deposits": 1 });
    assert_eq!(service.deposit("alice", "d-1", 100), (200, known));

    let (status, body) = service.deposit("alice", "d-1", 101);
    assert_eq!(
        (status, &body["error"]),
        (409, &json!("this id is that of a deposit of another amount"))
    );
    let (status, body) = service.deposit("alice", "d-2", u64::MAX);
    assert_eq!((status, &body["error"]), (409, &json!("the account cannot hold as much")));
    for (body, expected) in [("{", 400), ("{}", 422), (r#"{"id":"d-3","cents":-1}"#, 422)] {
        let (status, body) =
            request(service.address, "POST", "/accounts/alice/deposits", body).unwrap();
        assert_eq!(status, expected, "{body}");
    }

    assert_eq!(service.balance("alice"), (100, 1));
    assert_eq!(service.balance("bob"), (0, 0));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path());
    let mut service = Service::start(&store);
    assert_eq!(service.deposit("alice", "d-1", 100).0, 200);

    let pid = service.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let ended = service.child.wait().unwrap();

    assert_eq!((sent.success(), ended.code()), (true, Some(0)));
    assert_eq!(Service::start(&store).balance("alice"), (100, 1));
}

#[test]
fn a_store_that_cannot_be_opened_fails_and_says_why() {
    let output = Command::new(example("http")).args(["--store", "ledger:"]).output().unwrap();

    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("http: ") && text.contains("ledger"), "{text}");
}
