//! A small HTTP server of the test's own: a proxy before a real server, or one that gives answers which
//! nobody could make a real one give, to every request or to some.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::{Error, Result};

/// A request's head and body of the tests are a few kilobytes.
const REQUEST_BYTES_MAX: usize = 8 << 20;

/// What becomes of requests.
#[derive(Debug, Clone)]
pub enum Behind {
    /// Everything goes to the server at this `HOST:PORT`, whoever was asked for; what asks for a tunnel
    /// (`CONNECT`) is answered 407.
    Server(String),
    /// Every request gets this status and this body of JSON.
    Answer(u16, String),
    /// Requests go to the server at this `HOST:PORT`, one in a connection, but for those that are answered
    /// instead.
    Between(String, Instead),
    /// What asks for a tunnel (`CONNECT`) gets one, to the server at this `HOST:PORT`, whoever was asked for;
    /// anything else is answered 405.
    Tunnel(String),
}

/// From the head of a request to a status and a body of JSON.
type Answer = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// Gives some requests an answer of its own.
#[derive(Clone)]
pub struct Instead(Arc<Answer>);

impl Instead {
    /// What `answer` gives for the head of a request: a status, and a body of JSON.
    pub fn new(answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }
}

impl fmt::Debug for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instead(…)")
    }
}

/// A server on this machine; its threads end with the process.
#[derive(Debug)]
pub struct Front {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Starts one on a port that is free.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(behind: Behind) -> Result<Self> {
        let failed = |error: io::Error| Error::new(format!("a front cannot listen: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?.to_string();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                let (behind, seen) = (behind.clone(), seen.clone());
                // A connection that breaks off is the client's affair, and shows there.
                thread::spawn(move || serve(stream, &behind, &seen).unwrap_or_default());
            }
        });
        Ok(Self { address, heads })
    }

    /// Its address, `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The head of the first request of each connection, of every request where the front answers itself.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut client: TcpStream, behind: &Behind, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut read = Vec::new();
    while let Some((head, length)) = request(&mut client, &mut read)? {
        let is_tunnel = head.starts_with("CONNECT ");
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
        let (status, body) = match behind {
            Behind::Server(_) if is_tunnel => (407, String::new()),
            Behind::Server(server) => return forward(client, server, &read),
            Behind::Answer(status, body) => (*status, body.clone()),
            Behind::Between(server, instead) => match (instead.0)(&head) {
                Some(answer) => answer,
                None => return pass_on(&mut client, server, &read, length),
            },
            Behind::Tunnel(server) if is_tunnel => {
                client.write_all(b"HTTP/1.1 200 Told\r\n\r\n")?;
                read.drain(..length);
                return forward(client, server, &read);
            }
            Behind::Tunnel(_) => (405, String::new()),
        };
        answer(&mut client, status, &body)?;
        read.drain(..length);
    }
    Ok(())
}

/// Passes the one request that comes from `client` on to the server at `HOST:PORT`, and its answer back: for what
/// comes by another way than a plain connection.
///
/// # Errors
/// When a connection breaks off.
pub fn relay(client: &mut (impl Read + Write), server: &str) -> io::Result<()> {
    let mut read = Vec::new();
    match request(client, &mut read)? {
        Some((_, length)) => pass_on(client, server, &read, length),
        None => Ok(()),
    }
}

/// Passes on the request that is the first `length` bytes of `read`, and its answer back.
fn pass_on(
    client: &mut (impl Read + Write),
    server: &str,
    read: &[u8],
    length: usize,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let line = read.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (line, rest) = read.get(..length).unwrap_or(read).split_at(line);
    // So that the end of the connection is the end of the answer, however long that is.
    server.write_all(&[line, b"connection: close\r\n", rest].concat())?;
    server.shutdown(Shutdown::Write)?;
    io::copy(&mut server, client)?;
    client.flush()
}

/// The head of the request that `read` begins with, once all of it is read, and its length. More may
/// have come with it.
fn request(client: &mut impl Read, read: &mut Vec<u8>) -> io::Result<Option<(String, usize)>> {
    let mut piece = [0; 4096];
    loop {
        let head_end = read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        let head = head_end.and_then(|end| read.get(..end)).map(String::from_utf8_lossy);
        if let Some((head, end)) = head.zip(head_end)
            && let length = end + body_bytes(&head)
            && read.len() >= length
        {
            return Ok(Some((head.into_owned(), length)));
        }
        let count = client.read(&mut piece)?;
        if count == 0 || read.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        read.extend(piece.iter().take(count));
    }
}

fn body_bytes(head: &str) -> usize {
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

fn answer(client: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n"
    );
    client.write_all(format!("{head}{body}").as_bytes())
}

/// Passes on what was read and all that follows, both ways.
fn forward(mut client: TcpStream, address: &str, read: &[u8]) -> io::Result<()> {
    let mut server = TcpStream::connect(address)?;
    server.write_all(read)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let replies = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        // Whoever waits for more learns that there is none.
        to.shutdown(Shutdown::Both).or(copied.map(drop))
    });
    let copied = io::copy(&mut client, &mut server);
    server.shutdown(Shutdown::Write).unwrap_or_default();
    replies.join().unwrap_or(Ok(())).and(copied.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(front: &Front, request: &str) -> String {
        let mut stream = TcpStream::connect(front.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn requests_are_answered_or_passed_on_and_remembered() {
        let server = Front::start(Behind::Answer(400, "{}".to_owned())).unwrap();
        let proxy = Front::start(Behind::Server(server.address().to_owned())).unwrap();
        let post = "POST http://far/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let answer = asked(&proxy, &format!("{post}{post}"));
        assert_eq!(answer.matches("HTTP/1.1 400").count(), 2, "{answer}");
        assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
        assert_eq!((proxy.heads().len(), server.heads().len()), (1, 2));
        assert!(server.heads()[1].starts_with("POST http://far/ "));
        let refused = asked(&proxy, "CONNECT far:443 HTTP/1.1\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 407"), "{refused}");
    }

    #[test]
    fn some_requests_are_answered_instead_and_the_others_passed_on() {
        let server = Front::start(Behind::Answer(200, "{}".to_owned())).unwrap();
        let puts = |head: &str| head.contains("Put").then(|| (400, "[]".to_owned()));
        let between = Behind::Between(server.address().to_owned(), Instead::new(puts));
        let front = Front::start(between).unwrap();
        let put = "POST /Put HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let get = "POST /Get HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let answer = asked(&front, &format!("{put}{get}"));
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("[]HTTP/1.1 200") && answer.ends_with("{}"), "{answer}");
        assert_eq!((front.heads().len(), server.heads().len()), (2, 1));
        assert!(server.heads()[0].contains("connection: close"));
    }

    #[test]
    fn a_tunnel_leads_to_the_server_whoever_was_asked_for() {
        let server = Front::start(Behind::Answer(200, "{}".to_owned())).unwrap();
        let proxy = Front::start(Behind::Tunnel(server.address().to_owned())).unwrap();
        let answer = asked(&proxy, "CONNECT far:443 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
        assert!(server.heads()[0].starts_with("GET / "));
        assert!(asked(&proxy, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }
}
