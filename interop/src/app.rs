//! The application's process, and requests to it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::build;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the application did not do what was asked: its exception, or the end of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub(crate) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A running application. It ends when it is dropped, and with the process that started it.
#[derive(Debug)]
pub struct App {
    child: Child,
    requests: Mutex<Option<ChildStdin>>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, oneshot::Sender<Result<Value>>>,
    /// Set once no answer will come any more.
    ended: bool,
}

impl App {
    /// The application that this process's tests share; started when it is first asked for.
    ///
    /// # Panics
    /// It cannot be built or started: a test that needs it fails, and is never skipped.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Result<Arc<App>>> = OnceLock::new();
        // Compiled once and lightly: the tests are over before the JVM's second compiler pays.
        let options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
        match SHARED.get_or_init(|| Self::start(&options).map(Arc::new)) {
            Ok(app) => app.clone(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts one with more options for its JVM.
    ///
    /// # Errors
    /// Maven or Java is missing, or the sources do not compile.
    pub fn start(options: &[&str]) -> Result<Self> {
        let class_path = build::class_path().map_err(Error)?;
        let log_path = build::target().join("app.log");
        let log = File::create(&log_path)
            .map_err(|error| Error(format!("{}: {error}", log_path.display())))?;
        let mut child = Command::new("java")
            .arg("-Xmx1G")
            .args(options)
            .args(["-cp", &class_path, "annals.interop.Main"])
            .env("AWS_JAVA_V1_DISABLE_DEPRECATION_ANNOUNCEMENT", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| {
                Error(format!("java cannot be run (a JDK 17 must be installed): {error}"))
            })?;
        let requests = Mutex::new(child.stdin.take());
        let answers = child.stdout.take().expect("its output was asked for as a pipe");
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let listener = waiting.clone();
        std::thread::spawn(move || listen(answers, &listener));
        Ok(Self { child, requests, waiting })
    }

    /// Sends a request, the fields of an object, and waits for its answer.
    ///
    /// # Errors
    /// The application answers with an exception, or has ended.
    ///
    /// # Panics
    /// `request` is not an object.
    pub async fn ask(&self, request: Value) -> Result<Value> {
        let Value::Object(mut fields) = request else {
            panic!("a request is an object, not {request}");
        };
        let answer = self.send(&mut fields)?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn send(&self, fields: &mut Map<String, Value>) -> Result<oneshot::Receiver<Result<Value>>> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.ended {
                return Err(gone());
            }
            waiting.next += 1;
            let number = waiting.next;
            fields.insert("request".to_owned(), number.into());
            waiting.answers.insert(number, sender);
        }
        let mut line = serde_json::to_vec(fields).expect("a map of JSON values");
        line.push(b'\n');
        let mut requests = lock(&self.requests);
        let sent = requests.as_mut().map(|requests| requests.write_all(&line));
        match sent {
            Some(Ok(())) => Ok(receiver),
            _ => Err(gone()),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The end of its input is what ends it.
        *lock(&self.requests) = None;
        let _ = self.child.wait();
    }
}

fn listen(answers: ChildStdout, waiting: &Mutex<Waiting>) {
    for line in BufReader::new(answers).lines() {
        let Ok(line) = line else { break };
        let mut answer: Value = match serde_json::from_str(&line) {
            Ok(answer) => answer,
            Err(error) => panic!("the Pekko application wrote {line:?}: {error}"),
        };
        let number = answer.get("request").and_then(Value::as_u64).unwrap_or_default();
        let sender = lock(waiting).answers.remove(&number);
        let result = match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(Error(error.to_owned())),
            None => Ok(answer.get_mut("ok").map(Value::take).unwrap_or_default()),
        };
        if let Some(sender) = sender {
            // Who asked may have given up.
            let _ = sender.send(result);
        }
    }
    let mut waiting = lock(waiting);
    waiting.ended = true;
    waiting.answers.clear();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> Error {
    let log = build::target().join("app.log");
    Error(format!("the Pekko application has ended; its log is {}", log.display()))
}
