//! The wire between a store and a node, in the test's hands: a relay of CQL (protocol 4, not compressed)
//! that asks a script about each statement.
//!
//! ```text
//! store ──frames──► relay ──frames──► node       each request: pass, refuse, delay, hold
//!       ◄──frames──       ◄──frames──            each answer: pass, replace, cut the connection
//! ```

use std::collections::HashMap;
use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What happens to a statement.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It passes.
    Pass,
    /// It is performed, and the answer is that too few replicas said so in time.
    TimeOut,
    /// It is performed, and the connection ends before the answer.
    Cut,
    /// It never arrives: the connection ends.
    Lose,
    /// It is not performed, and the answer is that too few replicas are alive.
    Refuse,
    /// It arrives after a while.
    Delay(Duration),
    /// It seems not performed in time, but is when the gate opens.
    Late(Arc<Gate>),
}

/// Where a statement waits.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Lets it go on.
    pub(crate) open: Notify,
    /// Told when it has been handed to the node.
    pub(crate) passed: Notify,
}

type Script = dyn FnMut(&str) -> Act + Send;

/// A relay with a script, which is asked about each statement by its text; those of a batch are joined.
#[derive(Clone)]
pub(crate) struct Wire {
    address: String,
    state: Arc<State>,
    _accepting: Arc<Accepting>,
}

struct State {
    script: Mutex<Box<Script>>,
    /// The texts of prepared statements, by what the node calls them.
    prepared: Mutex<HashMap<Vec<u8>, String>>,
}

/// Ends the relay with the last clone.
struct Accepting(AbortHandle);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Wire {
    /// A wire to `node` on which everything passes.
    pub(crate) async fn to(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            script: Mutex::new(Box::new(|_| Act::Pass)),
            prepared: Mutex::default(),
        });
        let (node, relayed) = (node.to_owned(), state.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (node, state) = (node.clone(), relayed.clone());
                // A node that is down looks like a connection that ends.
                tokio::spawn(async move { relay(client, &node, state).await });
            }
        });
        let accepting = Arc::new(Accepting(accepting.abort_handle()));
        Self { address, state, _accepting: accepting }
    }

    /// The end that a store connects to.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// From now on, statements are asked of this script.
    pub(crate) fn follow(&self, script: impl FnMut(&str) -> Act + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }
}

async fn relay(client: TcpStream, node: &str, state: Arc<State>) -> Result<()> {
    let server = TcpStream::connect(node).await?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_node, to_node) = server.into_split();
    let connection = Connection {
        state,
        node: node.to_owned(),
        to_client: tokio::sync::Mutex::new(to_client),
        to_node: tokio::sync::Mutex::new(to_node),
        awaited: Mutex::default(),
    };
    let connection = Arc::new(connection);
    // Whichever ends first takes the other with it, and so both sockets.
    tokio::select! {
        ended = connection.clone().requests(from_client) => ended,
        ended = connection.answers(from_node) => ended,
    }
}

/// One connection of a store.
struct Connection {
    state: Arc<State>,
    node: String,
    to_client: tokio::sync::Mutex<OwnedWriteHalf>,
    to_node: tokio::sync::Mutex<OwnedWriteHalf>,
    /// Answers that are looked at, by the stream of their request.
    awaited: Mutex<HashMap<[u8; 2], Awaited>>,
}

enum Awaited {
    /// It names the statement of this text.
    Prepared(String),
    /// The client gets this instead.
    Replaced(Frame),
    /// The connection ends.
    Cut,
}

impl Connection {
    async fn requests(self: Arc<Self>, mut from_client: OwnedReadHalf) -> Result<()> {
        loop {
            let frame = Frame::read(&mut from_client).await?;
            let statement = match frame.opcode() {
                PREPARE => {
                    let text = Body(&frame.body).long_text()?;
                    self.await_answer(&frame, Awaited::Prepared(text));
                    None
                }
                QUERY | EXECUTE | BATCH => Some(self.statement(&frame)?),
                _ => None,
            };
            let act = match statement {
                Some(statement) => (self.state.script.lock().unwrap())(&statement),
                None => Act::Pass,
            };
            self.act(act, frame).await?;
        }
    }

    async fn act(self: &Arc<Self>, act: Act, frame: Frame) -> Result<()> {
        match act {
            Act::Pass => {}
            Act::TimeOut => {
                let timeout = frame.write_timeout();
                self.await_answer(&frame, Awaited::Replaced(timeout));
            }
            Act::Cut => self.await_answer(&frame, Awaited::Cut),
            Act::Lose => return Err(ErrorKind::ConnectionReset.into()),
            Act::Refuse => return frame.unavailable().write(&self.to_client).await,
            Act::Delay(pause) => {
                let connection = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    frame.write(&connection.to_node).await
                });
                return Ok(());
            }
            Act::Late(gate) => {
                let timeout = frame.write_timeout();
                let node = self.node.clone();
                tokio::spawn(async move {
                    gate.open.notified().await;
                    // Its stream may be another request's by now.
                    let performed = frame.perform_at(&node).await;
                    gate.passed.notify_one();
                    performed
                });
                return timeout.write(&self.to_client).await;
            }
        }
        frame.write(&self.to_node).await
    }

    async fn answers(&self, mut from_node: OwnedReadHalf) -> Result<()> {
        loop {
            let frame = Frame::read(&mut from_node).await?;
            let awaited = self.awaited.lock().unwrap().remove(&frame.stream());
            let answer = match awaited {
                None => frame,
                Some(Awaited::Prepared(text)) => {
                    if let Some(id) = Body(&frame.body).prepared_id()? {
                        self.state.prepared.lock().unwrap().insert(id, text);
                    }
                    frame
                }
                Some(Awaited::Replaced(instead)) => instead,
                Some(Awaited::Cut) => return Err(ErrorKind::ConnectionReset.into()),
            };
            answer.write(&self.to_client).await?;
        }
    }

    fn await_answer(&self, request: &Frame, awaited: Awaited) {
        self.awaited.lock().unwrap().insert(request.stream(), awaited);
    }

    /// The text of a request's statements.
    fn statement(&self, frame: &Frame) -> Result<String> {
        let mut body = Body(&frame.body);
        match frame.opcode() {
            QUERY => body.long_text(),
            EXECUTE => Ok(self.prepared(body.short_bytes()?)),
            _ => {
                // The first is enough to know a batch by: it is in one partition of one table.
                let _kind = body.take(3)?;
                match body.take(1)? {
                    [0] => body.long_text(),
                    _ => Ok(self.prepared(body.short_bytes()?)),
                }
            }
        }
    }

    fn prepared(&self, id: &[u8]) -> String {
        self.state.prepared.lock().unwrap().get(id).cloned().unwrap_or_default()
    }
}

const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const QUERY: u8 = 0x07;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

/// A frame: version, flags, stream (2), opcode, length of the body (4), body.
struct Frame {
    header: [u8; 9],
    body: Vec<u8>,
}

impl Frame {
    async fn read(from: &mut OwnedReadHalf) -> Result<Self> {
        let mut header = [0; 9];
        from.read_exact(&mut header).await?;
        let length = u32::from_be_bytes(header[5..].try_into().unwrap());
        let mut body = vec![0; length as usize];
        from.read_exact(&mut body).await?;
        Ok(Self { header, body })
    }

    async fn write(&self, to: &tokio::sync::Mutex<OwnedWriteHalf>) -> Result<()> {
        let bytes = [&self.header[..], &self.body].concat();
        to.lock().await.write_all(&bytes).await
    }

    /// Sends this request over a connection of its own, and waits for the answer.
    async fn perform_at(self, node: &str) -> Result<()> {
        let (mut from_node, to_node) = TcpStream::connect(node).await?.into_split();
        let to_node = tokio::sync::Mutex::new(to_node);
        let version = b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0".to_vec();
        for request in [self.like(self.header[0], STARTUP, version), self] {
            request.write(&to_node).await?;
            Self::read(&mut from_node).await?;
        }
        Ok(())
    }

    /// Another frame on this one's stream.
    fn like(&self, version: u8, opcode: u8, body: Vec<u8>) -> Self {
        let [a, b, c, d] = (body.len() as u32).to_be_bytes();
        let [high, low] = self.stream();
        Self { header: [version, 0, high, low, opcode, a, b, c, d], body }
    }

    fn stream(&self) -> [u8; 2] {
        [self.header[2], self.header[3]]
    }

    fn opcode(&self) -> u8 {
        self.header[4]
    }

    /// The answer to this request that is an error.
    fn error(&self, code: u32, more: &[u8]) -> Self {
        const MESSAGE: &[u8] = b"told so";
        let mut body = code.to_be_bytes().to_vec();
        body.extend((MESSAGE.len() as u16).to_be_bytes());
        body.extend(MESSAGE);
        // The level was QUORUM.
        body.extend([0, 4]);
        body.extend(more);
        self.like(self.header[0] | 0x80, ERROR, body)
    }

    /// None of one replica, of a plain write.
    fn write_timeout(&self) -> Self {
        self.error(0x1100, b"\0\0\0\0\0\0\0\x01\0\x06SIMPLE")
    }

    fn unavailable(&self) -> Self {
        self.error(0x1000, b"\0\0\0\x01\0\0\0\0")
    }
}

/// What is left of a body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let short = || Error::new(ErrorKind::InvalidData, "a frame is too short");
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn short_bytes(&mut self) -> Result<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().unwrap());
        self.take(length.into())
    }

    fn long_text(&mut self) -> Result<String> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().unwrap());
        Ok(String::from_utf8_lossy(self.take(length as usize)?).into_owned())
    }

    /// What the node calls a statement, if this is the answer that says so.
    fn prepared_id(&mut self) -> Result<Option<Vec<u8>>> {
        const PREPARED: [u8; 4] = [0, 0, 0, 4];
        if self.take(4)? != PREPARED {
            return Ok(None);
        }
        Ok(Some(self.short_bytes()?.to_vec()))
    }
}
